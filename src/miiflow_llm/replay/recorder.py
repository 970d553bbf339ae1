"""Write every exchange of an httpx client as a capture: wrap a transport in one that listens.

What the caller sees is what came: nothing is changed, delayed until its end, or raised because of the recording. A body
is kept as the bytes after content decoding (the coding's header is left out), so that a capture is readable and its
read boundaries, counted after decoding too, fall where the client's reads did. Credentials are blotted out in memory;
nothing of an exchange is written before.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict, Unpack

import httpx

from ..http.trust import tls_context
from .capture import Capture
from .recording import BodyHook, Recording, Settings
from .secrets import Redactor
from .store import save

log = logging.getLogger("miiflow_llm.replay")

Namer = str | Callable[[Capture], str] | None
"""How captures are named: all by one name, by a function of the capture, or (`None`) by model, kind and request."""


class RecordOptions(TypedDict, total=False):
    """The options of `RecordingTransport`, which are `record`'s too."""

    name: Namer
    provider: str | None
    dialect: str | None
    redact: Iterable[str]
    body_hook: BodyHook | None
    source: str | None


class RecordingTransport(httpx.AsyncBaseTransport, httpx.BaseTransport):
    """Records what goes through `inner` (httpx's own transport where `None`) into `folder/<provider>/`.

    `provider` and `dialect` are told by the address and path if not given. A second exchange under the same name
    gets `_2` added. `redact` are values that must not be written, beside credentials: those are known by their headers
    and formats. `body_hook` (it gives as many bytes as it gets) blots out more. `source` is the server's
    name and version, its host and the date where `None`.

    `written` are the captures' files. What could not be written is in `failures` and logged. Closing the transport
    writes, as partial, what is still open.
    """

    def __init__(
        self,
        folder: Path | str,
        inner: httpx.AsyncBaseTransport | httpx.BaseTransport | None = None,
        *,
        name: Namer = None,
        provider: str | None = None,
        dialect: str | None = None,
        redact: Iterable[str] = (),
        body_hook: BodyHook | None = None,
        source: str | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.written: list[Path] = []
        self.failures: list[Exception] = []
        self._inner = inner
        self._name = name
        self._names: Counter[str] = Counter()
        self._settings = Settings(Redactor(redact), provider, dialect, body_hook, source)
        self._open: list[Recording] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request, and record its answer while it is read."""
        inner = self._async_inner()
        recording = self._begin(request)
        response = await inner.handle_async_request(request)
        recording.head(response)
        return _heard(response, _AsyncEar(response.stream, recording, self._finish))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """`handle_async_request` without an event loop."""
        inner = self._sync_inner()
        recording = self._begin(request)
        response = inner.handle_request(request)
        recording.head(response)
        return _heard(response, _SyncEar(response.stream, recording, self._finish))

    async def aclose(self) -> None:
        """Close the inner transport, and write what is still open."""
        if isinstance(self._inner, httpx.AsyncBaseTransport):
            await self._inner.aclose()
        self.settle()

    def close(self) -> None:
        """`aclose` for a transport without an event loop."""
        if isinstance(self._inner, httpx.BaseTransport):
            self._inner.close()
        self.settle()

    def settle(self) -> None:
        """Write, as partial, what is still open."""
        for recording in list(self._open):
            self._finish(recording)

    def _async_inner(self) -> httpx.AsyncBaseTransport:
        if self._inner is None:
            self._inner = httpx.AsyncHTTPTransport(verify=tls_context())
        if not isinstance(self._inner, httpx.AsyncBaseTransport):
            raise TypeError("the recorder wraps a synchronous transport, and an httpx.AsyncClient uses it")
        return self._inner

    def _sync_inner(self) -> httpx.BaseTransport:
        if self._inner is None:
            self._inner = httpx.HTTPTransport(verify=tls_context())
        if not isinstance(self._inner, httpx.BaseTransport):
            raise TypeError("the recorder wraps an asynchronous transport, and an httpx.Client uses it")
        return self._inner

    def _begin(self, request: httpx.Request) -> Recording:
        recording = Recording(request, self._settings)
        self._open.append(recording)
        return recording

    def _finish(self, recording: Recording) -> None:
        if recording not in self._open:
            return
        self._open.remove(recording)
        try:
            capture = recording.capture()
            if capture is not None:
                capture.name = self._named(capture)
                self.written.append(save(capture, self.folder))
        except Exception as error:
            # The caller's stream must not break because of its recording; `with` raises it at the end.
            self.failures.append(error)
            log.warning("an exchange was not recorded: %s", error)

    def _named(self, capture: Capture) -> str:
        name = self._name(capture) if callable(self._name) else self._name or capture.name
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", name)
        key = f"{capture.provider}/{name}"
        self._names[key] += 1
        return name if self._names[key] == 1 else f"{name}_{self._names[key]}"


@contextmanager
def record(
    folder: Path | str,
    inner: httpx.AsyncBaseTransport | httpx.BaseTransport | None = None,
    **options: Unpack[RecordOptions],
) -> Iterator[RecordingTransport]:
    """A `RecordingTransport` for a `with` block: make an httpx client with it, and what the client does is kept.

    `options` are the transport's. What is still open at the end is written as partial.

    Raises:
        SecretFoundError, CaptureError: at the end of the block, for the first exchange that could not be written.
    """
    transport = RecordingTransport(folder, inner, **options)
    try:
        yield transport
    finally:
        transport.settle()
    if transport.failures:
        raise transport.failures[0]


def _heard(response: httpx.Response, ear: httpx.AsyncByteStream | httpx.SyncByteStream) -> httpx.Response:
    """The same answer, anew: one whose body is loaded already (a mock's) would not be read through its stream."""
    return httpx.Response(response.status_code, headers=response.headers, stream=ear, extensions=response.extensions)


class _AsyncEar(httpx.AsyncByteStream):
    def __init__(self, stream: object, recording: Recording, finish: Callable[[Recording], None]) -> None:
        assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101  an async transport's answer
        self._stream = stream
        self._recording = recording
        self._finish = finish

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._stream:
            self._recording.read(data)
            yield data
        self._recording.ended = True

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._finish(self._recording)


class _SyncEar(httpx.SyncByteStream):
    def __init__(self, stream: object, recording: Recording, finish: Callable[[Recording], None]) -> None:
        assert isinstance(stream, httpx.SyncByteStream)  # noqa: S101  a sync transport's answer
        self._stream = stream
        self._recording = recording
        self._finish = finish

    def __iter__(self) -> Iterator[bytes]:
        for data in self._stream:
            self._recording.read(data)
            yield data
        self._recording.ended = True

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._finish(self._recording)
