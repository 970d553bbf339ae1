"""The site of docs/ is built without a warning or a broken link, has every page and every public name, and can be read
on any screen. Screenshots go to the folder that SCREENSHOTS names."""

from __future__ import annotations

import fcntl
import functools
import http.server
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import miiflow_llm
from miiflow_llm import core, providers, web
from miiflow_llm.tables import dialects_of

from ..web.conftest import chromium as chromium  # noqa: PLC0414  a fixture
from ..web.pages import shot

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CODE = re.compile(r"^```python\n", re.MULTILINE)


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished site, built once for all workers."""
    pytest.importorskip("sphinx", reason="sphinx is not installed")
    pytest.importorskip("furo", reason="furo is not installed")
    folder = tmp_path_factory.getbasetemp().parent / "site"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = folder / "told"
        if not told.exists():
            command = [sys.executable, "scripts/docs.py", "--into", str(folder)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
            told.write_text("" if done.returncode == 0 else done.stdout + done.stderr)
    assert told.read_text() == ""
    return folder / "html"


def test_every_page_is_in_the_navigation(html: Path) -> None:
    """Whatever stands in docs/ can be found from the first page, the generated pages too."""
    first = (html / "index.html").read_text()
    pages = [path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")]
    generated = [Path("providers", f"{name}.html") for name in providers.names()]
    assert [str(page) for page in (*pages, *generated) if f'href="{page}"' not in first] == []


def test_every_public_name_is_in_the_reference(html: Path) -> None:
    """With its docstring."""
    text = "".join(path.read_text() for path in (html / "reference").glob("*.html"))
    for module in (miiflow_llm, core, web):
        public = {name: getattr(module, name) for name in module.__all__ if name[0] != "_"}
        names = {value.__name__ if isinstance(value, type) else name for name, value in public.items()}
        missing = [name for name in names if not re.search(rf'id="[\w.]*\b{name}"', text)]
        assert missing == [], module.__name__
    assert "The whole answer to <code" in text


def test_a_providers_page_tells_what_its_table_says(html: Path) -> None:
    """Its address, its keys, each of its wire formats, and every reason for which something is refused."""
    for name in providers.names():
        provider, page = providers.get(name), (html.parent / "source" / "providers" / f"{name}.md").read_text()
        said = [*provider.env, provider.docs, *([provider.base_url] if provider.base_url else [])]
        for dialect in dialects_of(provider):
            said += [f"## {dialect.name}", *(drop.reason.replace("|", "\\|") for drop in dialect.drops)]
        assert [words for words in said if words not in page] == [], name


def test_nothing_comes_from_elsewhere(html: Path) -> None:
    """Styles, scripts, fonts and images are the site's own, so that it can be read offline."""
    for path in html.rglob("*.html"):
        page = path.read_text()
        assert re.findall(r'<(?:script|img)[^>]* src="(https?:[^"]+)', page) == [], path.name
        assert re.findall(r'<link[^>]* rel="stylesheet"[^>]* href="(https?:[^"]+)', page) == [], path.name


def test_every_page_with_code_is_run() -> None:
    """A page whose blocks are Python is named by a test that runs them."""
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    pages = [path.relative_to(DOCS) for path in DOCS.rglob("*.md") if CODE.search(path.read_text())]
    assert [str(page) for page in pages if page.name not in tests and str(page) not in tests] == []


@pytest.fixture(scope="module")
def site(html: Path) -> Iterator[str]:
    """The site's address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(html)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


PAGES = ("index", "service", "features", "providers/groq", "reference/miiflow_llm", "inside/tables")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1200])
def test_it_can_be_read(site: str, chromium: Any, scheme: Any, width: int) -> None:
    """In both schemes, on a phone and on a desk, no page is wider than the screen, and none complains."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab = context.new_page()
    told: list[str] = []
    tab.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: told.append(str(error)))
    for page in PAGES:
        tab.goto(f"{site}/{page}.html")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, page
        shot(tab, f"site-{page.replace('/', '-')}-{width}-{scheme}")
    context.close()
    assert [line for line in told if "favicon" not in line and "404" not in line] == []
