"""Serve the page and the JavaScript module, by their paths."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files

from .service import Reply

_SCRIPT = "text/javascript; charset=utf-8"
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/miiflow-llm.js": ("miiflow-llm.js", _SCRIPT),
    "/miiflow-llm.d.ts": ("miiflow-llm.d.ts", "text/plain; charset=utf-8"),
    "/vendor/highlight.js": ("vendor/highlight.js", _SCRIPT),
    "/vendor/temml.js": ("vendor/temml.js", _SCRIPT),
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
    body = (files(__package__) / "static" / name).read_bytes()
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
    styles = sums["style"] or " 'none'"
    return (
        f"default-src 'none'; script-src 'self'{sums['script']}; style-src{styles}; "
        "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
