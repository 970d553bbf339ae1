"""Which capture answers a request: captures and a request in, the capture, or an error that shows the nearest, out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from .capture import Capture
from .errors import NoMatchError


class Received(msgspec.Struct, kw_only=True):
    """A request as it came: `path` without host and query, `body` as JSON (`None` for none), credentials left out."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any = None
    provider: str | None = None
    name: str | None = None

    @property
    def streaming(self) -> bool:
        """Whether a stream is asked for: in the body, in Gemini's verb, or by Ollama's default."""
        if isinstance(self.body, dict) and isinstance(self.body.get("stream"), bool):
            return bool(self.body["stream"])
        return "stream" in self.path.lower() or self.path.endswith("/api/chat")

    @property
    def model(self) -> str | None:
        """The model in the body or the path."""
        if isinstance(self.body, dict) and isinstance(self.body.get("model"), str):
            return str(self.body["model"])
        found = re.search(r"/models/([^/:]+)", self.path)
        return found.group(1) if found else None

    def line(self) -> str:
        """The request in a line."""
        kind = "streaming" if self.streaming else "whole"
        return f"{self.method} {self.path} ({kind}, model {self.model})"


def match(captures: Sequence[Capture], request: Received) -> Capture:
    """The capture that answers: the named one, else the first that differs in nothing, else in the body alone.

    Raises:
        NoMatchError: none does; it shows the nearest and how it differs.
    """
    asked = [one for one in captures if request.provider in (None, one.provider)]
    if request.name is not None:
        return _named(asked, request)
    ranked = sorted(((_differs(one, request), place) for place, one in enumerate(asked)), key=lambda pair: len(pair[0]))
    if ranked and set(ranked[0][0]) <= {"body"}:
        return asked[ranked[0][1]]
    raise _no_match(asked, request, ranked)


def _named(captures: Sequence[Capture], request: Received) -> Capture:
    """The capture of the name; its sibling where a whole answer is asked for (`whole_text` for `text`)."""
    found = [one for one in captures if one.name == request.name]
    if found and (found[0].streaming == request.streaming or found[0].status >= 400):
        return found[0]
    sibling = next((one for one in captures if one.name == f"whole_{request.name}" and not request.streaming), None)
    if sibling is not None:
        return sibling
    if found:
        return found[0]
    near = difflib.get_close_matches(request.name or "", [one.name for one in captures], n=1)
    raise NoMatchError(f"{request.line()} named {request.name!r}", near[0] if near else None, ("name",), "")


def _differs(capture: Capture, request: Received) -> tuple[str, ...]:
    found = []
    if capture.method != request.method:
        found.append("method")
    if _tail(capture.path) != _tail(request.path):
        found.append("path")
    if capture.streaming != request.streaming and capture.status < 400:
        found.append("streaming")
    if capture.model != request.model:
        found.append("model")
    if capture.request is not None and canonical(capture.request) != canonical(request.body):
        found.append("body")
    return tuple(found)


def _tail(path: str) -> str:
    """The end of a path, which does not depend on the base URL."""
    parts = path.partition("?")[0].rstrip("/").split("/")
    return "/".join(parts[-2:]) if parts[-1] in ("completions", "chat") else parts[-1]


def canonical(body: Any) -> bytes:
    """The body as JSON with its keys in order."""
    return msgspec.json.encode(body, order="sorted")


def _no_match(
    captures: Sequence[Capture], request: Received, ranked: list[tuple[tuple[str, ...], int]]
) -> NoMatchError:
    if not ranked:
        return NoMatchError(request.line(), None, (), "")
    differs, place = ranked[0]
    nearest = captures[place]
    diff = difflib.unified_diff(_lines(nearest.request), _lines(request.body), nearest.key, "request", lineterm="", n=2)
    return NoMatchError(request.line(), nearest.key, differs, "\n".join(list(diff)[:60]))


def _lines(body: Any) -> list[str]:
    return msgspec.json.format(canonical(body), indent=2).decode().splitlines()
