"""One answer, sans-I/O: bytes in, chunks out, and in the end an answer or an error.

Content types are wrong too often, so the first bytes tell what comes: a stream in the dialect's framing or another, or
a document (the answer of a server that does not stream, an error, a page from something in between), which begins with
a bracket and is read when it is whole. A whole answer that comes as a stream is read as one, and the other way round.
"""

from __future__ import annotations

import re
from typing import Any, Literal, TypeVar

import msgspec

from ...core.exceptions import (
    MiiflowLLMError,
    ProviderError,
    ServiceUnavailableError,
    StreamInterruptedError,
    StreamProtocolError,
)
from ...core.pieces import Failure, Finish, Piece
from ...core.response import ChatResponse, StreamChunk
from . import errors
from .compile import READ_ERRORS
from .decoder import Decoder
from .ending import BESIDE
from .eventstream import BrokenStreamError
from .failures import failure_in, says_anything, under_a_key
from .fold import Fold
from .frames import MAX_FRAME, Frame, is_text, too_large
from .framings import FRAMINGS, framing_of
from .tolerant import decode_leniently

Raised = TypeVar("Raised", bound=MiiflowLLMError)
Form = Literal["unknown", "stream", "document"]

MAX_MISSES = 4
"""Reads in a row that may begin with no frame of mere text, before a stream is not asked for them any more: some
servers put something else into every frame."""

FINISH = "finish"
"""The word of the `complete` and `end` rows for a finish reason having been read."""

_ASIDE = BESIDE | {Failure, Finish}
_BEFORE_ANYTHING = b" \t\r\n\xef\xbb\xbf"
_DONE = b"[DONE]"
_PREFIX = b"data:"
"""What gateways that hand a stream on put before payloads a second time."""
_ERROR_EVENT = re.compile(r"(\w+[._-])?(error|exception)", re.IGNORECASE)


class StreamReader:
    """One answer: `feed` bytes, take chunks; `finish` at the end of the bytes.

    `ended` says that nothing more will come and reading may stop, `complete` that the end of the bytes would be a
    finished answer. `error` is the failure to raise once the chunks given so far are handed out. With `whole` no stream
    was asked for: what begins as a document is one, in a framing of JSON lines too.
    """

    def __init__(
        self,
        decoder: Decoder,
        provider: str,
        model: str,
        fold: Fold,
        *,
        max_frame: int = MAX_FRAME,
        whole: bool = False,
    ) -> None:
        self.decoder = decoder
        self.dialect = decoder.dialect
        self.provider = provider
        self.model = model
        self.fold = fold
        self.ended = False
        self.complete = False
        self.error: MiiflowLLMError | None = None
        self._framer = FRAMINGS[self.dialect.framing](max_frame)
        self._done = self.dialect.done.encode() if self.dialect.done else None
        self._marks = frozenset((*self.dialect.complete, *self.dialect.end))
        self._form: Form = "unknown"
        self._whole = whole
        self._begun = b""
        self._document: list[bytes] = []
        self._size = 0
        self._why = ""
        self._more_text = decoder.more_text
        self._by_event = self.dialect.event is not None
        self._misses = 0
        self._max = max_frame

    def feed(self, data: bytes) -> list[StreamChunk]:
        """The chunks that `data` completes."""
        if self.ended or self.error is not None:
            return []
        if self._form == "unknown":
            data = self._look(data)
        out: list[StreamChunk] = []
        if self._form == "stream":
            self._try(data, out)
        elif self._form == "document":
            self._keep(data, out)
        return out

    def finish(self, why: str = "") -> list[StreamChunk]:
        """The chunks that the end of the bytes completes; sets `error` if the answer was not complete.

        `why` says why the bytes ended, if the connection broke.
        """
        self._why = why or "no mark of completeness had come"
        out: list[StreamChunk] = []
        if self.ended or self.error is not None:
            return out
        if self._begun:
            self._form, begun = "stream", self._begun
            self._try(begun, out)
        if self._form == "document":
            self._read_document(b"".join(self._document), out)
        else:
            self._read_tail(out)
        return out

    def interrupted(self, why: str) -> StreamInterruptedError:
        """The error for a stream that broke off because of `why`, with what came."""
        return self._with_partial(StreamInterruptedError(f"the stream ended before the answer was complete: {why}"))

    def response(self, *, finished: bool = True) -> ChatResponse:
        """The answer, or with `finished=False` as far as it has come."""
        return self.fold.response(self.provider, self.model, finished=finished)

    def _look(self, data: bytes) -> bytes:
        """What has come, without what may stand before anything, once it tells what it is."""
        begun = (self._begun + data).lstrip(_BEFORE_ANYTHING)
        self._begun = b""
        if not begun:
            return b""
        framing = framing_of(begun, self.dialect.framing, whole=self._whole)
        if framing is None:
            self._begun = begun[:1] if begun[:1] == b"{" else begun
            return b""
        if framing == "document":
            self._form = "document"
        else:
            self._form = "stream"
            if framing != self.dialect.framing:
                self._framer = FRAMINGS[framing](self._max)
        return begun

    def _keep(self, data: bytes, out: list[StreamChunk]) -> None:
        self._document.append(data)
        self._size += len(data)
        if self._size > self._max:
            self._fail(too_large(self._max), out)

    def _try(self, data: bytes, out: list[StreamChunk]) -> None:
        try:
            self._read(self._framer.feed(data), out)
        except StreamProtocolError as raised:
            self._fail(raised, out)
        except BrokenStreamError as broken:
            self._break(broken, out)

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
            if not raised.payload.startswith(("{", "[")):
                self._fail(raised, out)
        if not self.ended and self.error is None:
            self._end_of_bytes(out)

    def _read(self, frames: list[Frame], out: list[StreamChunk]) -> None:
        if self.fold.open_text is not None and frames and self._misses < MAX_MISSES:
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
        fold, decoder, done, marks = self.fold, self.decoder, self._done, self._marks
        ending = fold.ending
        readers = decoder.readers[not fold.named]
        event_of = decoder.event_of if self.dialect.event else None
        event, read = "", readers[""]
        for frame in frames:
            data = frame.data
            if data == done:
                self._mark(self.dialect.done, out)
                if self.ended or self.error is not None:
                    return
                continue
            if event_of is not None:
                event = event_of(frame)
                read = readers[event]
            try:
                pieces = read(data)
            except READ_ERRORS as reason:
                pieces = self._again(frame, event, reason, out)
                if self.ended or self.error is not None:
                    return
            if not pieces or frame.stray or type(pieces[-1]) in _ASIDE:
                pieces = self.beyond(frame, event, pieces)
            chunk = fold.push(pieces, data)
            if chunk is not None:
                out.append(chunk)
            if ending.finished or ending.failure is not None or (event and event in marks):
                self._settle(event, data, out)
                if self.ended or self.error is not None:
                    return

    def _again(self, frame: Frame, event: str, reason: Exception, out: list[StreamChunk]) -> list[Piece]:
        """The pieces of a frame that the typed reader refused: read the tolerant way, or words that are not JSON.

        Raises:
            StreamProtocolError: nothing can be made of it.
        """
        data = frame.data.removeprefix(_PREFIX).lstrip()
        before = _before_done(data)
        if before == b"":
            self._end_by_done(out)
            return []
        try:
            return self.decoder.again(event, data if before is None else before, reason)
        except StreamProtocolError:
            is_error = frame.event is not None and _ERROR_EVENT.fullmatch(frame.event) is not None
            bare = frame.stray or self.dialect.framing == "ndjson"
            if (bare and _are_words(frame.data)) or (is_error and not frame.data.startswith(b"<")):
                return [Failure(message=errors.plain(frame.data))]
            raise

    def _end_by_done(self, out: list[StreamChunk]) -> None:
        """An end mark that is oddly written, or that the format does not have: gateways add one to any stream."""
        self._mark(self.dialect.done, out)
        if self._done is None:
            self.complete = self.complete or self.fold.ending.finished
            self._end_of_bytes(out)

    def beyond(self, frame: Frame, event: str, pieces: list[Piece]) -> list[Piece]:
        """What a frame says in which the rules find nothing of an answer: an error of any shape, or a whole answer."""
        if any(type(piece) not in _ASIDE for piece in pieces):
            return pieces
        said = [piece for piece in pieces if not isinstance(piece, Failure) or says_anything(piece)]
        if any(isinstance(piece, Failure) for piece in said):
            return pieces
        return self._beyond(frame, event, said)

    def _beyond(self, frame: Frame, event: str, pieces: list[Piece]) -> list[Piece]:
        if event and not _ERROR_EVENT.fullmatch(event):
            return pieces
        try:
            value = decode_leniently(frame.data)
        except (msgspec.DecodeError, RecursionError):
            return pieces
        name = event or frame.event or self.decoder.name_in(value)
        is_error = name is not None and _ERROR_EVENT.fullmatch(name) is not None
        if name in self.dialect.ignored and not is_error:
            return pieces
        failure = self._failure_in(value, is_error)
        return [failure] if failure is not None else self._answer_in(value) or pieces

    def _failure_in(self, value: Any, is_error: bool) -> Failure | None:
        if is_error:
            return failure_in(value, sure=True) or Failure()
        if isinstance(value, dict) and self.decoder.has_an_answer(value):
            return under_a_key(value)
        return failure_in(value)

    def _answer_in(self, value: Any) -> list[Piece]:
        """The pieces of a whole answer in one frame, or of a list of frames, from a server that only half streams."""
        if isinstance(value, list):
            frames = [msgspec.json.encode(item) for item in value if isinstance(item, dict)]
            return [piece for data in frames for piece in self.decoder.read("", data)]
        if not isinstance(value, dict) or self.decoder.reads_alike:
            return []
        try:
            pieces = self.decoder.read_whole(msgspec.json.encode(value))
        except StreamProtocolError:
            return []
        if all(type(piece) in _ASIDE for piece in pieces):
            return []
        self.complete = self.complete or Finish in map(type, pieces)
        return pieces

    def _settle(self, event: str, data: bytes, out: list[StreamChunk]) -> None:
        """After a frame that failed, or may have been a mark."""
        failure = self.fold.ending.failure
        if failure is not None:
            self._report(failure, data, out)
        else:
            self._mark(event if event in self._marks else FINISH, out)

    def _report(self, failure: Failure, data: bytes, out: list[StreamChunk]) -> None:
        """Fail as the provider says; what its rules did not read of it may stand beside."""
        failure = errors.completed(failure, data)
        raised = errors.from_failure(self.dialect, failure, status=None, provider=self.provider, model=self.model)
        self._fail(raised, out, data)

    def _mark(self, mark: str | None, out: list[StreamChunk]) -> None:
        dialect = self.dialect
        if mark in dialect.complete or (FINISH in dialect.complete and self.fold.ending.finished):
            self.complete = True
        if mark in dialect.end:
            self._end_of_bytes(out)

    def _end_of_bytes(self, out: list[StreamChunk]) -> None:
        if not self.complete:
            self._fail(self.interrupted(self._why or "its end came first"), out)
            return
        try:
            self.fold.check()
        except StreamProtocolError as raised:
            self._fail(raised, out)
            return
        if self.fold.says_nothing:
            self._fail(self._nothing(), out)
            return
        self.ended = True
        out.append(self.fold.close())

    def _nothing(self) -> ServiceUnavailableError:
        return ServiceUnavailableError("the answer holds neither content nor a finish reason", retryable=True)

    def _fail(self, raised: MiiflowLLMError, out: list[StreamChunk], body: bytes = b"") -> None:
        held = self.fold.flush()
        if held is not None:
            out.append(held)
        if isinstance(raised, ProviderError):
            raised.body = body[: errors.MAX_BODY]
            raised.request_id = raised.request_id or self.fold.meta.request_id
        self.error = self._with_partial(raised)

    def _with_partial(self, raised: Raised) -> Raised:
        raised.provider = raised.provider or self.provider
        raised.model = raised.model or self.model
        raised.partial = self.response(finished=False)
        return raised

    def _read_document(self, body: bytes, out: list[StreamChunk]) -> None:
        """A body that is not a stream: a whole answer, an error, or a page from something in between."""
        try:
            pieces = self.decoder.read_whole(body)
            if not pieces or body.startswith(b"["):
                pieces = self._elements(body) or pieces
            chunk = self.fold.push(pieces, body)
        except StreamProtocolError as raised:
            self._read_lines(body, raised, out)
            return
        failure = self.fold.ending.failure
        if not self.fold.output and self.fold.ending.is_unclear:
            failure = errors.read_failure(self.dialect, body, sure=not self.fold.ending.finished) or failure
        if failure is not None:
            self._report(failure, body, out)
            return
        if chunk is not None:
            out.append(chunk)
        self.complete = True
        self._end_of_bytes(out)
        if isinstance(self.error, ProviderError):
            self.error.body = body[: errors.MAX_BODY]

    def _elements(self, body: bytes) -> list[Piece]:
        """The pieces of a list of frames, which is how Gemini streams if nobody asks for events."""
        try:
            value = decode_leniently(body)
        except (msgspec.DecodeError, RecursionError):
            return []
        if not isinstance(value, list) or failure_in(value, sure=False) is not None:
            return []
        frames = [msgspec.json.encode(item) for item in value if isinstance(item, dict)]
        return [piece for data in frames for piece in self.decoder.read_whole(data)]

    def _read_lines(self, body: bytes, raised: StreamProtocolError, out: list[StreamChunk]) -> None:
        """A document that is not one JSON value: one with an end mark behind it, JSON lines, or what cannot be read."""
        before = _before_done(body)
        if before is not None:
            self._read_document(before, out)
            return
        if _are_words(body):
            self._report(Failure(message=errors.plain(body)), body, out)
            return
        first, _, rest = body.partition(b"\n")
        if not rest.strip() or not _is_json(first):
            self._fail(self._cut_short(raised, body), out)
            return
        self._framer = FRAMINGS["ndjson"](self._max)
        self._form = "stream"
        self._try(body, out)
        if self.error is None and not self.ended:
            self._read_tail(out)

    def _cut_short(self, raised: StreamProtocolError, body: bytes) -> MiiflowLLMError:
        """The error of an unreadable document; one that only lacks its end was broken off."""
        if body.startswith((b"{", b"[")) and "truncated" in str(raised):
            return self.interrupted(self._why)
        return raised


def _before_done(body: bytes) -> bytes | None:
    """What stands before the end marks of a document, however many there are; `None` if there is none."""
    end, found = _without_space(body, len(body)), False
    while body.endswith(_DONE, 0, end):
        end, found = _without_space(body, end - len(_DONE)), True
        if body.endswith(b"data:", 0, end):
            end = _without_space(body, end - len(b"data:"))
    return body[:end] if found else None


def _without_space(body: bytes, end: int) -> int:
    """Where the text ends that stands before a place, without the white space between."""
    while end and body[end - 1] in b" \t\r\n\v\f":
        end -= 1
    return end


def _are_words(data: bytes) -> bool:
    """Whether it is text that is neither JSON nor a page, broken or not."""
    return not data.lstrip().startswith((b"{", b"[", b'"', b"<")) and is_text(data)


def _is_json(line: bytes) -> bool:
    try:
        decode_leniently(line)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
