"""Build the site with Sphinx, warnings being errors; check every link inside it; serve it while one writes."""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

from . import source
from .providers import Cell

HERE = Path(__file__).parent
FOLDER = source.ROOT / ".cache" / "site"


def build(cell: Cell, folder: Path = FOLDER) -> Path:
    """The folder of the finished pages.

    Raises:
        SystemExit: Sphinx warned of something, or a link leads nowhere; what is printed says which.
    """
    try:
        from sphinx.application import Sphinx
    except ImportError:
        raise SystemExit("The site needs the dependency group `site`: pip install --group site") from None
    source.write(folder / "source", cell)
    for name in ("conf.py", "site.css"):
        shutil.copy(HERE / name, folder / "source" / name)
    html = folder / "html"
    shutil.rmtree(html, ignore_errors=True)
    app = Sphinx(
        str(folder / "source"),
        str(folder / "source"),
        str(html),
        str(folder / "doctrees"),
        "html",
        status=None,
        warningiserror=True,
        keep_going=True,
        freshenv=True,
    )
    app.build(force_all=True)
    if app.statuscode:
        raise SystemExit(app.statuscode)
    broken = list(broken_links(html))
    if broken:
        raise SystemExit("\n".join(broken))
    return html


class _Links(HTMLParser):
    """The links and the names of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.names.add(str(found["id"]))
        target = found.get("href") if tag in ("a", "link") else found.get("src")
        if target:
            self.links.append(target)


def broken_links(html: Path) -> Iterator[str]:
    """Links of the pages that lead to no file of the site, or to no name in it; files from foreign hosts."""
    read = {path: _read(path) for path in sorted(html.rglob("*.html"))}
    for path, page in read.items():
        for link in page.links:
            address, name = urldefrag(link)
            address = address.partition("?")[0]
            if re.match(r"[a-z]+:", address):
                continue
            target = (path.parent / unquote(address)).resolve() if address else path
            if target.is_dir():
                target /= "index.html"
            if not target.exists():
                yield f"{path.relative_to(html)}: {link} leads nowhere"
            elif name and target in read and unquote(name) not in read[target].names:
                yield f"{path.relative_to(html)}: {link} has no such place"


def _read(path: Path) -> _Links:
    links = _Links()
    links.feed(path.read_text(encoding="utf-8"))
    return links


def serve(cell: Cell, port: int = 8000) -> None:
    """Serve the site on this machine until it is interrupted, and build it again whenever a page changes."""
    html = build(cell)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(html))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}/ (Ctrl+C ends it)", flush=True)
    before = _state()
    try:
        while True:
            time.sleep(1)
            if (now := _state()) != before:
                before = now
                _build_apart()
    except KeyboardInterrupt:
        raise SystemExit(0) from None
    finally:
        server.shutdown()


def _build_apart() -> None:
    """Build in a process of its own, in which changed docstrings and tables are read anew."""
    done = subprocess.run([sys.executable, str(HERE.parent / "docs.py")], check=False)
    print("built again" if done.returncode == 0 else "not built, see above", flush=True)


def _state() -> dict[Path, float]:
    """When each file was changed that the site is made of."""
    folders = (source.DOCS, source.ROOT / "README.md", HERE, source.ROOT / "src")
    files = [path for folder in folders for path in (folder.rglob("*") if folder.is_dir() else (folder,))]
    return {path: path.stat().st_mtime for path in files if path.suffix in (".md", ".py", ".css", ".svg")}
