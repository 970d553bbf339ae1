"""Read the results of a batch: each by the table that reads a live answer, with what its request asked for."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from ..core.batches import BatchResult
from ..core.exceptions import BatchCancelledError, BatchError, BatchExpiredError, MiiflowLLMError, ProviderError
from ..core.messages import Message
from ..core.response import ChatResponse, Embeddings
from ..tables import Batch, Structured
from ..wire import batches, endpoints
from ..wire.engine import Engine
from .exchange import Setup
from .structured import Shape, ShapeReader

_ENDINGS: dict[str, tuple[type[BatchError], str]] = {
    "expired": (BatchExpiredError, "the batch ran out of time before this request was made: send it again"),
    "cancelled": (BatchCancelledError, "the batch was cancelled before this request was made"),
}


class Asked(msgspec.Struct, frozen=True):
    """What the answer to a chat is read by: the model, the type and how it was asked for, renamed tools."""

    model: str
    shape: Shape | None = None
    mode: Structured | None = None
    names: tuple[tuple[str, str], ...] = ()
    service: str | None = None


class Reads(Protocol):
    """How the whole answer to one request is read."""

    model: str

    def read(self, key: str, body: bytes) -> BatchResult:
        """The result in an answer.

        Raises:
            MiiflowLLMError: it is not an answer, or not of the type that was asked for.
        """


class ReadsChat:
    """The answer to a chat."""

    def __init__(self, setup: Setup, engine: Engine, asked: Asked) -> None:
        self.setup = setup
        self.engine = engine
        self.asked = asked
        self.model = asked.model

    def read(self, key: str, body: bytes) -> BatchResult:
        """The response in an answer, of the caller's type if one was asked for."""
        asked = self.asked
        said = [Message.user(key)]  # ids of calls without one are made of what was said: they differ by request
        in_call = asked.mode == "tool"
        response = self.engine.read_whole(body, asked.model, said, answer_in_call=in_call, names=dict(asked.names))
        response.cost = self._cost(response)
        if asked.shape is not None and response.structured_output is None:
            ShapeReader(asked.shape).finish(response)
        return BatchResult(key, response)

    def _cost(self, response: ChatResponse) -> Any:
        name, model = self.setup.target.name, self.asked.model
        return self.setup.pricing.cost(response.cost, response.usage, name, model, response.model, "batch")


class ReadsEmbeddings:
    """The vector of one text."""

    def __init__(self, setup: Setup, engine: Engine, model: str) -> None:
        self.setup = setup
        self.engine = engine
        self.model = model

    def read(self, key: str, body: bytes) -> BatchResult:
        """The vector in an answer."""
        row = self.engine.dialect.batch.embeddings
        assert row is not None  # noqa: S101  the job was made with it
        found = endpoints.read_embeddings(row, body, self.model, [key])
        return BatchResult(key, embeddings=self._priced(found))

    def _priced(self, found: Embeddings) -> Embeddings:
        name, usage = self.setup.target.name, found.usage
        cost = self.setup.pricing.cost(found.cost, usage, name, self.model, "", "batch")
        return msgspec.structs.replace(found, cost=cost)


def read_result(row: Batch, engine: Engine, reads: Reads, line: batches.Line) -> BatchResult:
    """What came of one request."""
    try:
        if line.ending is not None:
            kind, words = _ENDINGS[line.ending]
            raise kind(words, code=line.ending, retryable=kind is BatchExpiredError)
        if line.body is None:
            raise _error(engine, reads.model, line)
        return reads.read(line.key, line.body)
    except MiiflowLLMError as error:
        error.provider = error.provider or engine.provider
        error.model = error.model or reads.model or None
        return BatchResult(line.key, error=error.with_traceback(None))


def _error(engine: Engine, model: str, line: batches.Line) -> ProviderError:
    body = line.failure or b""
    if line.status is not None:
        return engine.error(line.status, {}, body, model)
    return engine.reported(body, model)
