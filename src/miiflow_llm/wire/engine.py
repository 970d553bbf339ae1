"""The engine joins the rooms: request to call, bytes to chunks, status and body to error. No I/O happens here.

It is made once for a provider's dialect and shared; what belongs to one stream lives in its `StreamReader`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from ..core.exceptions import (
    MiiflowLLMError,
    ProviderError,
    ServiceUnavailableError,
    StreamInterruptedError,
    StreamProtocolError,
)
from ..core.messages import Message
from ..core.pieces import Failure, Piece
from ..core.request import ChatRequest
from ..core.response import ChatResponse, StreamChunk
from ..tables import Dialect
from .decode import errors
from .decode.compile import READ_ERRORS
from .decode.decoder import Decoder
from .decode.eventstream import BrokenStreamError
from .decode.fold import NO_TEXT, Fold
from .decode.frames import MAX_FRAME, Frame, too_large
from .decode.framings import FRAMINGS
from .encode.request import Encoded, Unsupported, encode
from .encode.writers import Writers

_BEFORE_ANYTHING = b" \t\r\n\xef\xbb\xbf"
Raised = TypeVar("Raised", bound=MiiflowLLMError)

MAX_MISSES = 4
"""Reads in a row that may begin with no frame of mere text, before a stream is not asked for them any more: some
servers put usage into every frame."""

FINISH = "finish"
"""The word of the `complete` and `end` rows for a finish reason having been read."""


class Engine:
    """One provider's dialect, ready to use. `origin` (`provider/dialect`), with the model, marks its own blocks."""

    def __init__(self, dialect: Dialect, provider: str) -> None:
        self.dialect = dialect
        self.provider = provider
        self.origin = f"{provider}/{dialect.name}"
        self.decoder = Decoder(dialect)
        self.writers = Writers(dialect, self.origin)

    def encode(self, request: ChatRequest, *, unsupported: Unsupported = "raise") -> Encoded:
        """The request as this provider wants it; see `encode.encode`."""
        try:
            origin = self.mark(request.model)
            return encode(self.dialect, self.writers.of, request, origin=origin, unsupported=unsupported)
        except MiiflowLLMError as raised:
            raise self._named(raised, request.model) from None

    def mark(self, model: str) -> str:
        """Who made an answer: the mark on its signed and opaque blocks."""
        return f"{self.origin}/{model}"

    def stream(
        self,
        model: str,
        messages: list[Message] | None = None,
        *,
        keep_raw: bool = False,
        answer_in_call: bool = False,
        names: Mapping[str, str] | None = None,
        max_frame: int = MAX_FRAME,
    ) -> StreamReader:
        """A reader for one streamed answer; `names` are the caller's for tools that have others on the wire."""
        fold = self._fold(model, messages, keep_raw=keep_raw, answer_in_call=answer_in_call, names=names)
        return StreamReader(self, model, fold, max_frame)

    def _fold(
        self,
        model: str,
        messages: list[Message] | None,
        *,
        keep_raw: bool = False,
        answer_in_call: bool = False,
        names: Mapping[str, str] | None = None,
    ) -> Fold:
        return Fold(
            self.dialect,
            self.mark(model),
            keep_raw=keep_raw,
            salt=salt_of(messages),
            answer_in_call=answer_in_call,
            names=names,
        )

    def read_whole(
        self,
        body: bytes,
        model: str,
        messages: list[Message] | None = None,
        *,
        answer_in_call: bool = False,
        names: Mapping[str, str] | None = None,
    ) -> ChatResponse:
        """The response in a non-streamed body; `names` as for `stream`.

        Raises:
            ProviderError: the body, under a status of 200, is the provider's error.
            StreamProtocolError: it is no answer of this format.
        """
        fold = self._fold(model, messages, answer_in_call=answer_in_call, names=names)
        try:
            fold.push(self.decoder.read_whole(body.strip()), body)
        except StreamProtocolError as raised:
            raise self._named(raised, model) from None
        failure = self.failure_in(fold, body, model)
        if failure is not None:
            raise failure
        fold.close()
        response = fold.response(self.provider, model, finished=True)
        response.raw = body
        return response

    def failure_in(self, fold: Fold, body: bytes, model: str) -> ProviderError | None:
        """The error that a whole answer is, `None` for an answer."""
        failure = fold.failure
        if failure is None and not fold.finished and not fold.output:
            failure = errors.read_failure(self.dialect, body)
            if failure is None:
                return ServiceUnavailableError(
                    "the answer holds neither content nor a finish reason",
                    provider=self.provider,
                    model=model,
                    body=body[: errors.MAX_BODY],
                    retryable=True,
                )
        if failure is None:
            return None
        raised = self.reported(failure, model)
        raised.body = body[: errors.MAX_BODY]
        return raised

    def reported(self, failure: Failure, model: str) -> ProviderError:
        """The error that a failure inside an answer means."""
        return errors.from_failure(self.dialect, failure, status=None, provider=self.provider, model=model)

    def error(self, status: int, headers: Mapping[str, str], body: bytes, model: str) -> ProviderError:
        """The error that an HTTP answer other than 2xx means; `headers` are by lower-case name."""
        return errors.from_response(self.dialect, status, headers, body, provider=self.provider, model=model)

    def normalize(self, payload: bytes) -> StreamChunk | None:
        """All that one frame's payload says, without memory; `None` when it says nothing.

        Raises:
            ProviderError: the payload reports one.
            StreamProtocolError: it is no payload of this format.
        """
        if payload.strip() == (self.dialect.done or "").encode():
            return None
        fold = Fold(self.dialect, self.origin)
        event = self.decoder.event_of(Frame(payload))
        chunk = fold.push(self.decoder.read(event, payload), payload)
        if fold.failure is not None:
            raise self.reported(fold.failure, fold.meta.model or "")
        usage = fold.usage
        if fold.finished:
            chunk = fold.close()
        elif usage:
            chunk = chunk or StreamChunk(raw=payload)
            chunk.usage = usage
        return chunk

    def _named(self, raised: MiiflowLLMError, model: str) -> MiiflowLLMError:
        raised.provider = raised.provider or self.provider
        raised.model = raised.model or model
        return raised


def salt_of(messages: list[Message] | None) -> Callable[[], str]:
    """What makes the ids of calls without one differ from turn to turn, yet the same for the same request."""

    def salt() -> str:
        return f"{zlib.crc32(msgspec.json.encode(messages)):08x}" if messages else ""

    return salt


class StreamReader:
    """One streamed answer, sans-I/O: `feed` bytes, take chunks; `finish` at the end of the bytes.

    `ended` says that nothing more will come and reading may stop. `error` is the failure to raise once the chunks given
    so far are handed out.
    """

    def __init__(self, engine: Engine, model: str, fold: Fold, max_frame: int) -> None:
        self.engine = engine
        self.model = model
        self.fold = fold
        self.ended = False
        self.complete = False
        self.error: MiiflowLLMError | None = None
        self._framer = FRAMINGS[engine.dialect.framing](max_frame)
        self._done = engine.dialect.done.encode() if engine.dialect.done else None
        self._marks = frozenset((*engine.dialect.complete, *engine.dialect.end))
        self._page: bool | None = False if engine.dialect.framing == "ndjson" else None
        self._body: list[bytes] = []
        self._kept = 0
        self._why = ""
        self._more_text = engine.decoder.more_text
        self._by_event = engine.dialect.event is not None
        self._misses = 0
        self._max = max_frame

    def feed(self, data: bytes) -> list[StreamChunk]:
        """The chunks that `data` completes."""
        if self.ended or self.error is not None:
            return []
        if self._page is not False:
            stream = self._as_stream(data)
            if stream is None:
                return self._keep(data)
            data = stream
        out: list[StreamChunk] = []
        try:
            self._read(self._framer.feed(data), out)
        except StreamProtocolError as raised:
            self._fail(raised, out)
        except BrokenStreamError as broken:
            self._break(broken, out)
        return out

    def finish(self, why: str = "") -> list[StreamChunk]:
        """The chunks that the end of the bytes completes; sets `error` where the answer was not complete.

        `why` the bytes ended, where the connection broke.
        """
        self._why = why or "no mark of completeness had come"
        out: list[StreamChunk] = []
        if self.ended or self.error is not None:
            return out
        if self._page:
            self._read_page(b"".join(self._body), out)
            return out
        self._read_tail(out)
        return out

    def _break(self, broken: BrokenStreamError, out: list[StreamChunk]) -> None:
        """Fail after what came before the breach, however the bytes were cut."""
        try:
            self._read(broken.frames, out)
        except StreamProtocolError as raised:
            self._fail(raised, out)
        if not self.ended and self.error is None:
            self._fail(broken.error, out)

    def _read_tail(self, out: list[StreamChunk]) -> None:
        try:
            self._read(self._framer.finish(), out)
        except StreamProtocolError as raised:
            # a last frame that is cut in two is an early end, no breach of the format
            if not self.complete and not raised.payload.startswith(("{", "[")):
                self._fail(raised, out)
        if not self.ended and self.error is None:
            self._end_of_bytes(out)

    def interrupted(self, why: str) -> StreamInterruptedError:
        """The error for a stream that broke off because of `why`, with what came."""
        return self._with_partial(StreamInterruptedError(f"the stream ended before the answer was complete: {why}"))

    def response(self, *, finished: bool = True) -> ChatResponse:
        """The answer, or with `finished=False` as far as it has come."""
        return self.fold.response(self.engine.provider, self.model, finished=finished)

    def _read(self, frames: list[Frame], out: list[StreamChunk]) -> None:
        if self.fold.open_text is not NO_TEXT and frames and self._misses < MAX_MISSES:
            read = self._more_text[not self.fold.named][frames[0].event or "" if self._by_event else ""]
            if read is not None:
                taken = self.fold.more_text(frames, read, out)
                if taken == len(frames):
                    self._misses = 0
                    return
                self._misses = 0 if taken else self._misses + 1
                frames = frames[taken:]
        self._read_all(frames, out)

    def _read_all(self, frames: list[Frame], out: list[StreamChunk]) -> None:
        fold, decoder, done, marks = self.fold, self.engine.decoder, self._done, self._marks
        readers = decoder.readers[not fold.named]
        event_of = decoder.event_of if self.engine.dialect.event else None
        event, read = "", readers[""]
        for frame in frames:
            data = frame.data
            if data == done:
                self._mark(self.engine.dialect.done, out)
                if self.ended or self.error is not None:
                    return
                continue
            if event_of is not None:
                event = event_of(frame)
                read = readers[event]
            try:
                pieces = read(data)
            except READ_ERRORS as reason:
                pieces = decoder.again(event, data, reason)
            if frame.stray:
                pieces = self._stray(pieces, data)
            chunk = fold.push(pieces, data)
            if chunk is not None:
                out.append(chunk)
            if fold.finished or fold.failure is not None or (event and event in marks):
                self._settle(event, data, out)
                if self.ended or self.error is not None:
                    return

    def _settle(self, event: str, data: bytes, out: list[StreamChunk]) -> None:
        """After a frame that failed, or may have been a mark."""
        failure = self.fold.failure
        if failure is not None:
            self._fail(self.engine.reported(failure, self.model), out, data)
        else:
            self._mark(event if event in self._marks else FINISH, out)

    def _stray(self, pieces: list[Piece], data: bytes) -> list[Piece]:
        """An object outside the framing: an error, or a whole answer from a server that does not stream."""
        if any(isinstance(piece, Failure) for piece in pieces):
            return pieces
        failure = errors.read_failure(self.engine.dialect, data)
        return [failure] if failure else self.engine.decoder.read_whole(data)

    def _mark(self, mark: str | None, out: list[StreamChunk]) -> None:
        dialect = self.engine.dialect
        if mark in dialect.complete or (FINISH in dialect.complete and self.fold.finished):
            self.complete = True
        if mark in dialect.end:
            self._end_of_bytes(out)

    def _end_of_bytes(self, out: list[StreamChunk]) -> None:
        if self.complete:
            self.ended = True
            out.append(self.fold.close())
        else:
            self._fail(self.interrupted(self._why), out)

    def _fail(self, raised: MiiflowLLMError, out: list[StreamChunk], body: bytes = b"") -> None:
        held = self.fold.flush()
        if held is not None:
            out.append(held)
        if isinstance(raised, ProviderError):
            raised.body = body[: errors.MAX_BODY]
            raised.request_id = raised.request_id or self.fold.meta.request_id
        self.error = self._with_partial(raised)

    def _with_partial(self, raised: Raised) -> Raised:
        raised.provider = raised.provider or self.engine.provider
        raised.model = raised.model or self.model
        raised.partial = self.response(finished=False)
        return raised

    def _as_stream(self, data: bytes) -> bytes | None:
        """What has come, once its first character tells a stream; `None` for a document, and while nothing tells.

        Content types are wrong too often. A document (an answer of a server that does not stream, an error, a page
        from something in between) begins with a bracket.
        """
        if self._page is None:
            so_far = b"".join((*self._body, data))
            start = so_far.lstrip(_BEFORE_ANYTHING)
            if start:
                self._page = start.startswith((b"{", b"[", b"<"))
            if self._page is False:
                self._body.clear()
                return so_far
        return None

    def _keep(self, data: bytes) -> list[StreamChunk]:
        self._body.append(data)
        self._kept += len(data)
        out: list[StreamChunk] = []
        if self._kept > self._max:
            self._fail(too_large(self._max), out)
        return out

    def _read_page(self, body: bytes, out: list[StreamChunk]) -> None:
        """A body that is no stream: a whole answer, an error, or a page from something in between."""
        try:
            chunk = self.fold.push(self.engine.decoder.read_whole(body.strip()), body)
        except StreamProtocolError as raised:
            self._fail(raised, out)
            return
        failure = self.engine.failure_in(self.fold, body, self.model)
        if failure is not None:
            self._fail(failure, out, body)
            return
        if chunk is not None:
            out.append(chunk)
        self.complete = True
        self._end_of_bytes(out)
