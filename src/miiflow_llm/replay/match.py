"""Find the capture that answers a request; if there is none, the error shows the nearest.

It knows where each dialect says "stream" and "model", and no socket.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import unquote

import msgspec

from .capture import Capture
from .errors import CaptureError, NoMatchError
from .secrets import Redactor

Aspect = Literal["provider", "method", "path", "query", "streaming", "model", "body"]
ASPECTS: tuple[Aspect, ...] = ("provider", "method", "path", "query", "streaming", "model", "body")
"""All in which a request can agree with a capture; it must agree in all of it unless the caller names less."""

# Capture names that could not be told from the first part of a dialect's path.
_RESERVED = frozenset(["v1", "v1beta", "v2", "api", "chat", "models", "model", "responses", "messages", "openai"])
_MODEL_IN_PATH = re.compile(r"/models?/(?P<model>[^/]+?)(?=/|:[A-Za-z]\w*$)")
_ENDPOINT = re.compile(
    r"/(?:chat/completions|completions|responses|messages|messages/count_tokens|embeddings|embed|api/chat"
    r"|v2/chat|models/-(?::\w+|/converse(?:-stream)?)|models)$"
)
_STREAMS_UNLESS_TOLD = ("/api/chat", "/api/generate")
_DIFF_LINES = 60
_COMPARED_BY_LETTERS = 50
_LINE_WIDTH = 200


class Received(msgspec.Struct, kw_only=True):
    """A request as it came: `path` and `query` as sent, without the part of the URL that named the capture.

    `headers` are by lower-case name, credentials hidden. `body` is the JSON value, `None` if it was not JSON.
    `provider` and `name` are what the URL or the caller named. `capture` is the `provider/name` of what answered it,
    `None` for an error of the replay's own. `connection` numbers the connections from 1, `sent` counts the body bytes
    handed out, and `outcome` is "open" until the answer was "sent" as planned, or the client "left" before.
    """

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = {}
    body: Any = None
    provider: str | None = None
    name: str | None = None
    capture: str | None = None
    connection: int = 0
    sent: int = 0
    outcome: Literal["open", "sent", "left"] = "open"

    @property
    def streaming(self) -> bool:
        """Whether a stream is asked for: in the body, in Gemini's verb, or by Ollama's default."""
        if self.path.endswith((":streamGenerateContent", "/converse-stream")):
            return True
        told = self.body.get("stream") if isinstance(self.body, dict) else None
        return self.path.endswith(_STREAMS_UNLESS_TOLD) if told is None else bool(told)

    @property
    def model(self) -> str | None:
        """The model in the body or the path."""
        named = self.body.get("model") if isinstance(self.body, dict) else None
        found = _MODEL_IN_PATH.search(self.path)
        return str(named) if named else found and unquote(found["model"])

    def line(self) -> str:
        """The request in a line."""
        kind = "streaming" if self.streaming else "whole"
        named = "/".join(part for part in (self.provider, self.name) if part)
        return f"{self.method} {self.path} ({kind}, model {self.model})" + (f", asked of {named}" if named else "")


def canonical(body: Any) -> Any:
    """The body as it is compared: without `stream`, which is an aspect of its own."""
    return {key: value for key, value in body.items() if key != "stream"} if isinstance(body, dict) else body


class CaptureIndex:
    """Captures by provider and name, and by what they answer.

    `match` names the aspects that must agree; with none of them captures are handed out in order, whatever is asked.
    Captures that answer the same request take turns, in order; without `repeat` each is handed out once. `redactor`
    blots out of a request what was blotted out of the recorded one.

    Raises:
        CaptureError: two captures have the same name, or one has a name that cannot be told from a path.
    """

    def __init__(
        self,
        captures: Iterable[Capture],
        match: Sequence[Aspect] = ASPECTS,
        *,
        repeat: bool = True,
        redactor: Redactor | None = None,
    ) -> None:
        self.captures = list(captures)
        self.match = tuple(match)
        if unknown := set(self.match) - set(ASPECTS):
            raise ValueError(f"unknown aspect {', '.join(sorted(unknown))}; known: {', '.join(ASPECTS)}")
        self.repeat = repeat
        self.providers = {capture.provider for capture in self.captures}
        self._redactor = redactor or Redactor()
        self._served: Counter[int] = Counter()
        self._named: dict[tuple[str, str], Capture] = {}
        for capture in self.captures:
            self._add(capture)

    def _add(self, capture: Capture) -> None:
        if capture.name in _RESERVED:
            raise CaptureError(f"{capture.name!r} cannot name a served capture: it begins a dialect's own path")
        if self._named.setdefault((capture.provider, capture.name), capture) is not capture:
            raise CaptureError(f"two captures are called {capture.key}")

    def knows(self, provider: str, name: str) -> bool:
        """Whether there is a capture of that name."""
        return (provider, name) in self._named

    def get(self, provider: str, name: str) -> Capture:
        """The capture of that name.

        Raises:
            CaptureError: there is none; the message shows the nearest names.
        """
        if capture := self._named.get((provider, name)):
            return capture
        raise CaptureError(f"there is no capture {provider}/{name}; {self._near(provider, name)}")

    def _near(self, provider: str | None, name: str) -> str:
        names = [known for owner, known in self._named if provider in (None, owner)]
        near = difflib.get_close_matches(name, names, 3) or sorted(names)[:8]
        if names:
            return f"{f'{provider} has' if provider else 'there are'} {', '.join(near)}"
        return f"providers are {', '.join(sorted(self.providers))}"

    def find(self, request: Received) -> Capture:
        """The capture that answers, counted as handed out.

        A named capture is given as it is asked for: `text` also stands for `whole_text` if no stream is wanted.

        Raises:
            NoMatchError: none does; it shows the nearest and how it differs.
        """
        return self._by_name(request) if request.name is not None else self._by_request(request)

    def _by_name(self, request: Received) -> Capture:
        """The named capture or its sibling, whichever is of the kind that is asked for; an error is of both kinds."""
        base = str(request.name).removeprefix("whole_")
        names = dict.fromkeys((str(request.name), base, f"whole_{base}"))
        owners = [request.provider] if request.provider else sorted(self.providers)
        family = [self._named[key] for owner in owners for name in names if (key := (owner, name)) in self._named]
        if not family:
            known = self._near(request.provider, str(request.name))
            raise NoMatchError(f"{request.line()}: there is none of that name; {known}", None, (), "")
        wanted = ("method", "path", "query", "streaming")
        for capture in family:
            differs = self._differs(request, capture, wanted)
            if not differs or (capture.status >= 400 and differs == ("streaming",)):
                return capture
        raise self._no_match(request, family, wanted)

    def _by_request(self, request: Received) -> Capture:
        asked = self._redacted(request) if "body" in self.match else request
        fitting = [
            place
            for place, capture in enumerate(self.captures)
            if (self.repeat or not self._served[place]) and not self._differs(asked, capture, self.match)
        ]
        if not fitting:
            raise self._no_match(asked, self.captures, self.match)
        chosen = min(fitting, key=lambda place: self._served[place])
        self._served[chosen] += 1
        return self.captures[chosen]

    def _redacted(self, request: Received) -> Received:
        plain = self._redactor.redact(msgspec.json.encode(request.body))
        return msgspec.structs.replace(request, body=msgspec.json.decode(plain))

    def _differs(self, request: Received, capture: Capture, aspects: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in aspects if not _AGREES[name](request, capture))

    def _no_match(self, request: Received, candidates: list[Capture], aspects: Sequence[str]) -> NoMatchError:
        if not candidates:
            return NoMatchError(request.line(), None, (), "")
        body = _lines(request.body)
        nearest = _nearest(candidates, body, lambda capture: len(self._differs(request, capture, aspects)))
        differs = self._differs(request, nearest, aspects)
        diff = _diff(nearest, body) if "body" in differs else ""
        recorded = f"{nearest.key}, {_line_of(nearest)}"
        return NoMatchError(request.line(), nearest.key, differs or ("handed out already",), diff, recorded)


def _provider(request: Received, capture: Capture) -> bool:
    return request.provider in (None, capture.provider)


def _path(request: Received, capture: Capture) -> bool:
    """Whether both end in the same endpoint: what stands before it is the base URL's, which a replay replaces."""
    theirs, mine = _endpoint(capture.path.partition("?")[0]), _endpoint(request.path)
    return theirs == "/" or mine.endswith(theirs) or theirs.endswith(mine)


@lru_cache(maxsize=8192)
def _endpoint(path: str) -> str:
    """The end of a path from the dialect's own part on, its model left out; the whole path if it is not a dialect's."""
    plain = "/" + _MODEL_IN_PATH.sub("/models/-", path).strip("/")
    found = _ENDPOINT.search(plain)
    return found.group() if found else plain


def _query(request: Received, capture: Capture) -> bool:
    """Without `alt=sse` Gemini answers one JSON array: a client that forgets it must not be given a stream."""
    needs_sse = request.path.endswith(":streamGenerateContent") and "event-stream" in capture.content_type
    return not needs_sse or "alt=sse" in request.query.split("&")


def _model(request: Received, capture: Capture) -> bool:
    named = (capture.request or {}).get("model") or capture.model
    return not named or request.model in (None, str(named))


_AGREES: dict[str, Callable[[Received, Capture], bool]] = {
    "provider": _provider,
    "method": lambda request, capture: request.method == capture.method,
    "path": _path,
    "query": _query,
    "streaming": lambda request, capture: request.streaming == capture.streaming,
    "model": _model,
    "body": lambda request, capture: capture.request is None or canonical(request.body) == canonical(capture.request),
}


def _nearest(candidates: list[Capture], body: list[str], differing: Callable[[Capture], int]) -> Capture:
    """Which differs in the fewest aspects, then in the fewest lines, then in the fewest letters."""
    ranked = [(differing(one), -_likeness(body, _lines(one.request)), one) for one in candidates]
    best = min(rank[:2] for rank in ranked)
    equal = [capture for *rank, capture in ranked if tuple(rank) == best][:_COMPARED_BY_LETTERS]
    text = "\n".join(body)
    return max(equal, key=lambda one: _likeness(text, "\n".join(_lines(one.request)))) if len(equal) > 1 else equal[0]


def _line_of(capture: Capture) -> str:
    """What the capture was asked with, in a line."""
    path, _, query = capture.path.partition("?")
    asked = Received(method=capture.method, path=path, query=query, body=capture.request)
    kind = "streaming" if capture.streaming else "whole"
    return f"{capture.method} {path} ({kind}, model {asked.model or capture.model or None})"


def _likeness(one: Sequence[str], other: Sequence[str]) -> float:
    return difflib.SequenceMatcher(None, one, other, autojunk=False).quick_ratio()


def _lines(body: Any) -> list[str]:
    text = msgspec.json.format(msgspec.json.encode(canonical(body), order="sorted"), indent=2).decode()
    return [line if len(line) <= _LINE_WIDTH else line[:_LINE_WIDTH] + "…" for line in text.splitlines()]


def _diff(nearest: Capture, body: list[str]) -> str:
    lines = list(difflib.unified_diff(_lines(nearest.request), body, nearest.key, "this request", lineterm="", n=2))
    left_out = [f"… {len(lines) - _DIFF_LINES} more lines"] if len(lines) > _DIFF_LINES else []
    return "\n".join(lines[:_DIFF_LINES] + left_out)
