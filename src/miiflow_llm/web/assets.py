"""Serve the page and the JavaScript module, by their paths."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files

from .service import Reply

_STATIC = files(__package__) / "static"
_SCRIPT = "text/javascript; charset=utf-8"
_KINDS = {"js": _SCRIPT, "css": "text/css; charset=utf-8", "woff2": "font/woff2"}


def _vendored() -> dict[str, tuple[str, str]]:
    """What others made, with its licences beside it (not served): the colours of code, and mathematics."""
    folders = [_STATIC / "vendor", _STATIC / "vendor" / "fonts"]
    names = [f"vendor/{one.name}" for one in folders[0].iterdir()]
    names += [f"vendor/fonts/{one.name}" for one in folders[1].iterdir()]
    kinds = {name: _KINDS.get(name.rpartition(".")[2]) for name in sorted(names)}
    return {f"/{name}": (name, kind) for name, kind in kinds.items() if kind is not None}


_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/miiflow-llm.js": ("miiflow-llm.js", _SCRIPT),
    "/miiflow-llm.d.ts": ("miiflow-llm.d.ts", "text/plain; charset=utf-8"),
    **_vendored(),
}
FOR_PAGES = tuple(path for path in _FILES if path != "/")
"""The paths of what is served even without the page."""
_INLINE = re.compile(rb"<(script|style)[^>]*>(.*?)</\1>", re.DOTALL)


@cache
def asset(path: str) -> Reply | None:
    """The file that is served at `path`, `None` if there is none."""
    if path not in _FILES:
        return None
    name, kind = _FILES[path]
    body = _STATIC.joinpath(*name.split("/")).read_bytes()
    headers = {"content-type": kind, "cache-control": "no-cache", "x-content-type-options": "nosniff"}
    if name.endswith(".html"):
        headers["content-security-policy"] = _policy(body)
    return Reply(200, body, headers)


def _policy(page: bytes) -> str:
    """Only what stands in the page itself, and this server, may act in it."""
    sums = {"script": "", "style": ""}
    for kind, text in _INLINE.findall(page):
        digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
        sums[kind.decode()] += f" 'sha256-{digest}'"
    return (
        f"default-src 'none'; script-src 'self'{sums['script']}; style-src 'self'{sums['style']}; font-src 'self'; "
        "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
