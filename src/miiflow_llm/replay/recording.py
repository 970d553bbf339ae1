"""One exchange while it is recorded: its request, head and reads become a redacted capture. It does no I/O."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec

from ..core import clock
from ..core.secrets import hide_values, without_credentials
from ..http.content_coding import Coding, CodingError, coding_of
from .capture import Capture
from .errors import CaptureError
from .eventstream import is_event_stream, resealed
from .http_reader import json_of
from .match import Received, canonical
from .origin import dialect_of, provider_of
from .secrets import Redactor

BodyHook = Callable[[bytes], bytes]

_KEPT = {
    *("content-type", "retry-after", "retry-after-ms", "request-id", "x-request-id", "x-should-retry", "cf-ray"),
    *("x-amzn-requestid", "x-amzn-errortype"),
    *("server", "openai-processing-ms", "openai-version", "openai-model", "x-groq-region"),
}
_KEPT_FAMILIES = ("x-ratelimit", "anthropic-ratelimit", "ratelimit")


class Settings(msgspec.Struct):
    """What all exchanges of a recorder share; `provider` and `dialect` are told by the address where `None`."""

    redactor: Redactor
    provider: str | None
    dialect: str | None
    body_hook: BodyHook | None
    source: str | None


class Recording:
    """Hears one exchange. `ended` says that the body's end was reached; else the capture is partial."""

    def __init__(self, request: httpx.Request, settings: Settings) -> None:
        self.ended = False
        self._request = request
        self._settings = settings
        self._began = clock.monotonic()
        self._response: httpx.Response | None = None
        self._head_at = 0.0
        self._reads: list[tuple[float, bytes]] = []
        settings.redactor.learn(request.headers, request.url.params)
        settings.redactor.learn_body(json_of(self._content()))

    def head(self, response: httpx.Response) -> None:
        """The answer's head came."""
        self._head_at = clock.monotonic()
        self._response = response
        self._settings.redactor.learn_all(response.headers.multi_items())

    def read(self, data: bytes) -> None:
        """The caller was given these bytes of the body, as they came off the wire."""
        self._reads.append(((clock.monotonic() - self._head_at) * 1000, data))

    def capture(self) -> Capture | None:
        """The exchange, redacted, named after its model, kind and request; `None` if no answer came.

        Raises:
            CaptureError: the body's coding cannot be undone, or the body hook changed its size.
        """
        response = self._response
        if response is None:
            return None
        received = self._received()
        provider = self._settings.provider or provider_of(self._host())
        reads = self._plain(response.headers.get("content-encoding", ""))
        return Capture(
            name=_name(received),
            provider=provider,
            dialect=self._settings.dialect or dialect_of(provider, self._request.url.path),
            model=received.model or "",
            streaming=received.streaming,
            path=received.path + (f"?{received.query}" if received.query else ""),
            method=received.method,
            request=received.body if isinstance(received.body, dict) else None,
            status=response.status_code,
            headers=self._headers(response.headers),
            origin="recorded",
            source=self._settings.redactor.redact_text(self._settings.source or self._seen()),
            reads=[(round(moment, 3), len(data)) for moment, data in reads],
            head_ms=round((self._head_at - self._began) * 1000, 3),
            partial=not self.ended,
            body=self._redacted(b"".join(data for _, data in reads)),
        )

    def _received(self) -> Received:
        redact = self._settings.redactor.redact
        path, _, query = redact(self._request.url.raw_path).decode("ascii").partition("?")
        body = hide_values(json_of(redact(self._content())))
        return Received(method=self._request.method, path=path, query=without_credentials(query), body=body)

    def _content(self) -> bytes:
        try:
            return self._request.content
        except httpx.RequestNotRead:  # an upload that was streamed: it is gone
            return b""

    def _host(self) -> str:
        return self._settings.redactor.redact_text(self._request.url.host)

    def _seen(self) -> str:
        return f"{self._request.url.host}, {datetime.now(UTC).date()}"

    def _plain(self, encoding: str) -> list[tuple[float, bytes]]:
        try:
            coding = coding_of(encoding)
            if coding is None:
                return self._reads
            return [(moment, _undo(coding, data)) for moment, data in self._reads]
        except CodingError as error:
            raise CaptureError(f"the body of {self._host()} cannot be kept: {error}") from None

    def _redacted(self, body: bytes) -> bytes:
        hook = self._settings.body_hook
        redacted = self._settings.redactor.redact(hook(body) if hook else body, cut=not self.ended)
        if redacted != body and self._is_sealed():
            redacted = resealed(redacted)
        if len(redacted) != len(body):
            raise CaptureError(
                f"the body hook made {len(redacted)} bytes of {len(body)}; it must keep the size of every frame"
            )
        return redacted

    def _is_sealed(self) -> bool:
        """Whether the body has checksums of itself."""
        return self._response is not None and is_event_stream(self._response.headers.get("content-type", ""))

    def _headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        redact = self._settings.redactor.redact_text
        return {name: redact(value) for name, value in headers.items() if _is_kept(name.lower())}


def _is_kept(name: str) -> bool:
    return name in _KEPT or name.startswith(_KEPT_FAMILIES)


def _undo(coding: Coding, data: bytes) -> bytes:
    coding.feed(data)
    return b"".join(iter(coding.take, b""))


def _name(received: Received) -> str:
    """A name that the same request always gets."""
    body: Any = msgspec.json.encode([received.path, canonical(received.body)], order="sorted")
    model = re.sub(r"[^A-Za-z0-9._-]+", "-", received.model or "").strip(".-_") or received.method.lower()
    kind = "stream" if received.streaming else "whole"
    return f"{model}-{kind}-{hashlib.sha256(body).hexdigest()[:8]}"
