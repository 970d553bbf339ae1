"""The engine joins the rooms: request to call, bytes to chunks, status and body to error. No I/O happens here.

It is made once for a provider's dialect and shared; what belongs to one answer lives in its `StreamReader`.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Collection, Mapping

import msgspec

from ..core.exceptions import ConfigurationError, MiiflowLLMError, ProviderError
from ..core.messages import Message
from ..core.pieces import Failure
from ..core.request import ChatRequest
from ..core.response import ChatResponse, StreamChunk
from ..tables import Dialect
from .decode import errors
from .decode.decoder import Decoder
from .decode.fold import Fold
from .decode.frames import MAX_FRAME, Frame
from .decode.reader import StreamReader
from .encode.conversation import recalled
from .encode.mending import mended
from .encode.request import Encoded, Unsupported, encode
from .encode.where import with_place
from .encode.writers import Writers

__all__ = ["Engine", "StreamReader", "salt_of"]


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
        given = request.messages
        try:
            origin, notes = self.mark(request.model), list[str]()
            recall = recalled(self.writers.of(request.model), request)
            request = mended(self.dialect, request, origin=origin, notes=notes, recall=recall)
            encoded = encode(
                self.dialect, self.writers.of, request, origin=origin, unsupported=unsupported, recall=recall
            )
            encoded.notes[:0] = dict.fromkeys(notes)
            return encoded
        except ConfigurationError as raised:
            raise self._named(with_place(raised, self.dialect, given), request.model) from None
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
        tools: Collection[str] = (),
        max_frame: int = MAX_FRAME,
        whole: bool = False,
    ) -> StreamReader:
        """A reader for one answer; `names` are the caller's for tools that have others on the wire.

        `tools` are the names of all tools, as the caller has them. With `whole` no stream was asked for.
        """
        fold = Fold(
            self.dialect,
            self.mark(model),
            keep_raw=keep_raw,
            salt=salt_of(messages),
            answer_in_call=answer_in_call,
            names=names,
            tools=tools,
        )
        return StreamReader(self.decoder, self.provider, model, fold, max_frame=max_frame, whole=whole)

    def read_whole(
        self,
        body: bytes,
        model: str,
        messages: list[Message] | None = None,
        *,
        answer_in_call: bool = False,
        names: Mapping[str, str] | None = None,
    ) -> ChatResponse:
        """The response in the body of an answer that was not asked for as a stream; `names` as for `stream`.

        Raises:
            ProviderError: the body, under a status of 200, is the provider's error.
            StreamProtocolError: it is not an answer of this format.
            StreamInterruptedError: it ends too early.
        """
        reader = self.stream(
            model, messages, answer_in_call=answer_in_call, names=names, max_frame=sys.maxsize, whole=True
        )
        reader.feed(body)
        reader.finish()
        if reader.error is not None:
            raise reader.error
        response = reader.response()
        response.raw = body
        return response

    def error(self, status: int, headers: Mapping[str, str], body: bytes, model: str) -> ProviderError:
        """The error that an HTTP answer other than 2xx means; `headers` are by lower-case name."""
        return errors.from_response(self.dialect, status, headers, body, provider=self.provider, model=model)

    def reported(self, body: bytes, model: str) -> ProviderError:
        """The error in a payload that came without a status of HTTP."""
        failure = errors.read_failure(self.dialect, body) or Failure(message=errors.plain(body))
        raised = errors.from_failure(self.dialect, failure, status=None, provider=self.provider, model=model)
        raised.body = body[: errors.MAX_BODY]
        return raised

    def normalize(self, payload: bytes) -> StreamChunk | None:
        """All that one frame's payload says, without memory; `None` when it says nothing.

        Raises:
            ProviderError: the payload reports one.
            StreamProtocolError: it is not a payload of this format.
        """
        if payload.strip() == (self.dialect.done or "").encode():
            return None
        fold, frame = Fold(self.dialect, self.origin, alone=True), Frame(payload)
        reader = StreamReader(self.decoder, self.provider, "", fold)
        event = self.decoder.event_of(frame)
        chunk = fold.push(reader.beyond(frame, event, self.decoder.read(event, payload)), payload)
        if fold.ending.failure is not None:
            raise self._reported(fold, payload)
        usage = fold.usage
        if fold.ending.finished:
            chunk = fold.close()
        elif usage:
            chunk = chunk or StreamChunk(raw=payload)
            chunk.usage = usage
        return chunk

    def _reported(self, fold: Fold, payload: bytes) -> ProviderError:
        """The error that a payload reports."""
        assert fold.ending.failure is not None  # noqa: S101  the caller looked
        failure, model = errors.completed(fold.ending.failure, payload), fold.meta.model or ""
        return errors.from_failure(self.dialect, failure, status=None, provider=self.provider, model=model)

    def _named(self, raised: MiiflowLLMError, model: str) -> MiiflowLLMError:
        raised.provider = raised.provider or self.provider
        raised.model = raised.model or model
        return raised


def salt_of(messages: list[Message] | None) -> Callable[[], str]:
    """What makes the ids of calls without one differ from turn to turn, yet the same for the same request."""

    def salt() -> str:
        return f"{zlib.crc32(msgspec.json.encode(messages)):08x}" if messages else ""

    return salt
