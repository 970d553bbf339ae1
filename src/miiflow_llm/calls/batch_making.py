"""Hand in requests: write each as a line, cut the lines into batches that the provider takes, and make these."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, TypeAlias

import msgspec

from ..core.exceptions import ConfigurationError, MiiflowLLMError
from ..tables import Batch
from ..wire import batches, endpoints
from .batch_calls import BatchApi
from .batch_reading import Asked, Reads, ReadsChat, ReadsEmbeddings
from .call import Call
from .exchange import Setup
from .prompts import Prompt, as_request
from .target import Route

Requests: TypeAlias = Iterable[Prompt] | AsyncIterable[Prompt]
CallOf: TypeAlias = Callable[[Any, Mapping[str, Any]], Call]
"""The planned call of messages and parameters."""

_NO_PLACE = {
    "extra_headers": "a batch has no headers for single requests: give `headers` to create()",
    "retries_on_parse": "nothing is asked again in a batch: send the request again in another",
}


class Written(msgspec.Struct):
    """A request as it goes into a batch."""

    key: str
    line: bytes
    model: str
    reads: Any


class Writer:
    """Requests to lines: of chats, or of texts to embed. `route` is known once the first was written."""

    kind = "chat"

    def __init__(self) -> None:
        self.route: Route | None = None

    def written(self, number: int, given: Any) -> Written:
        """One request.

        Raises:
            MiiflowLLMError: it cannot be said, or has no place in a batch.
        """
        raise NotImplementedError

    def path(self) -> str:
        """What makes a batch of these lines."""
        return self._row.path

    def endpoint(self) -> str:
        """The endpoint that the lines are for."""
        return self._row.endpoint

    @property
    def _row(self) -> Batch:
        assert self.route is not None  # noqa: S101  set with the first line
        return self.route.engine.dialect.batch


class ChatWriter(Writer):
    """Prompts to lines; `call_of` plans the call that would be made of one, `shared` are the parameters of all."""

    def __init__(self, setup: Setup, call_of: CallOf, shared: Mapping[str, Any]) -> None:
        super().__init__()
        self._setup = setup
        self._call_of = call_of
        self._shared = shared
        self._readers: dict[tuple[Any, ...], ReadsChat] = {}

    def written(self, number: int, given: Any) -> Written:
        """One prompt."""
        try:
            request = as_request(given)
            parameters = {**self._shared, **request.parameters}
            for name, reason in _NO_PLACE.items():
                if parameters.get(name):
                    raise ConfigurationError(f"{name}: {reason}")
            call = self._call_of(request.messages, parameters)
        except MiiflowLLMError as error:
            raise _named(error, number) from None
        route = self._setup.target.route(call.model)
        if self.route is None:
            self.route = route
        elif route.engine is not self.route.engine:
            names = f"{self.route.engine.dialect.name} and {route.engine.dialect.name}"
            raise ConfigurationError(f"request {number}: a batch has one format, not {names}: name one with dialect=")
        key = str(number) if request.key is None else request.key
        line = batches.line(self._row, key, call.model, self.endpoint(), call.plan.content or b"{}")
        return Written(key, line, call.model, self.reads(call))

    def reads(self, call: Call) -> ReadsChat:
        """How the answer to a call is read; calls that are asked alike share it."""
        alike = (call.model, call.mode, id(call.shape.type) if call.shape else 0, tuple(sorted(call.names.items())))
        if alike not in self._readers:
            asked = Asked(call.model, call.shape, call.mode, alike[3])
            self._readers[alike] = ReadsChat(self._setup, call.engine, asked)
        return self._readers[alike]


class TextWriter(Writer):
    """Texts to embed to lines."""

    kind = "embeddings"

    def __init__(self, setup: Setup, model: str, dimensions: int | None) -> None:
        super().__init__()
        self.route = setup.target.route(model)
        self._model = model
        self._dimensions = dimensions
        self._reads = ReadsEmbeddings(setup, self.route.engine, model)
        row = self.route.engine.dialect.batch
        if row.absent or row.embeddings is None:
            reason = row.absent or "its batches embed no texts: use client.embed(), which takes many texts at once"
            raise ConfigurationError(reason, provider=setup.target.name, model=model)
        self._embeddings = row.embeddings

    def written(self, number: int, given: Any) -> Written:
        """One text, or a mapping with `text` (or `input`) and `key`."""
        try:
            request = as_request(given, ("text", "input"))
            text = request.messages
            if not isinstance(text, str) or not text:
                raise ConfigurationError(f"{text!r} is not a text to embed")
            values = {"texts": [text], "dimensions": self._dimensions}
            _, parts = endpoints.write(self._embeddings, self._model, values)
        except MiiflowLLMError as error:
            raise _named(error, number) from None
        key = str(number) if request.key is None else request.key
        line = batches.line(self._row, key, self._model, self.endpoint(), b"".join(parts or ()))
        return Written(key, line, self._model, self._reads)

    def path(self) -> str:
        return self._row.embeddings_path or super().path()

    def endpoint(self) -> str:
        return self._embeddings.path


def _named(error: MiiflowLLMError, number: int) -> MiiflowLLMError:
    error.message = f"request {number}: {error.message}"
    error.args = (error.message,)
    return error


class Made(msgspec.Struct):
    """What was handed in: the `ids` of the provider's batches, and how the answers are read that are not read alike."""

    route: Route
    ids: list[str]
    reads: Reads
    others: dict[str, Reads]
    keys: int


async def make(api_of: Callable[[Route], BatchApi], writer: Writer, requests: Requests) -> Made:
    """Hand in all requests, in as many batches as are needed.

    Raises:
        MiiflowLLMError: a request cannot be said (nothing of it was sent), or a batch was not made. If others were made
            before, the message and `created` hold their ids.
    """
    making = _Making(api_of, writer)
    try:
        async with aclosing(_each(requests)) as source:
            number = 0
            async for given in source:
                await making.take(writer.written(number, given))
                number += 1
        await making.flush()
    except MiiflowLLMError as error:
        making.tell(error)
        raise
    if making.made is None:
        raise ConfigurationError("no requests: a batch needs one or more")
    return making.made


class _Making:
    def __init__(self, api_of: Callable[[Route], BatchApi], writer: Writer) -> None:
        self._api_of = api_of
        self._writer = writer
        self._parts: dict[str, batches.Part] = {}
        self._seen = set[str]()
        self.made: Made | None = None

    async def take(self, one: Written) -> None:
        """Put a line into its part; make a batch of the part if it is full."""
        if one.key in self._seen:
            raise ConfigurationError(f"key={one.key!r} stands twice: results are told apart by their keys")
        self._seen.add(one.key)
        route = self._writer.route
        assert route is not None  # noqa: S101  the line was written for it
        row = self._api_of(route).row
        group = one.model if row.one_model or "{model}" in row.path else ""
        part = self._parts.setdefault(group, batches.Part(row))
        if not part.takes(one.line):
            await self._create(group, part)
            part = self._parts[group] = batches.Part(row)
        part.add(one.key, one.line)
        part.model = one.model
        if self.made is None:
            self.made = Made(route, [], one.reads, {}, 0)
        elif one.reads is not self.made.reads:
            self.made.others[one.key] = one.reads
        self.made.keys += 1

    async def flush(self) -> None:
        """Make batches of what is left."""
        for group, part in self._parts.items():
            if part.lines:
                await self._create(group, part)

    async def _create(self, group: str, part: batches.Part) -> None:
        assert self.made is not None  # noqa: S101  a line is in the part
        api = self._api_of(self.made.route)
        self.made.ids.append(await api.create(part, self._writer.path(), part.model, self._writer.endpoint()))
        part.lines = []

    def tell(self, error: MiiflowLLMError) -> None:
        """Say with an error which batches were made before it: they run, and cost."""
        if self.made is not None and self.made.ids:
            created = stored(self._writer.kind, self.made.ids)
            error.__dict__["created"] = created
            error.message += f" (made before, and running: batch_job({created!r}))"
            error.args = (error.message,)


async def _each(requests: Requests) -> AsyncGenerator[Any, None]:
    if isinstance(requests, (str, bytes, Mapping)):
        raise ConfigurationError("give a list or an iterator of requests, each a prompt of its own")
    if isinstance(requests, AsyncIterable):
        async for one in requests:
            yield one
        return
    for one in requests:
        yield one


def stored(kind: str, ids: list[str]) -> str:
    """The ids of the provider's batches as one that can be stored."""
    joined = ",".join(ids)
    return joined if kind == "chat" else f"{kind}:{joined}"


def opened(id_: str) -> tuple[str, list[str]]:
    """Kind and ids in a stored id.

    Raises:
        ConfigurationError: it is not one.
    """
    if not str(id_).strip() or any(sign in id_ for sign in " ?#\n\r"):
        raise ConfigurationError(f"{id_!r} is not the id of a batch")
    kind, _, rest = id_.rpartition("embeddings:")
    return ("embeddings" if _ and not kind else "chat"), (rest if _ else id_).split(",")
