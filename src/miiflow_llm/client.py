"""The client: what people hold. It owns policy (timeouts, retries, metrics) and never looks into a payload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

import httpx

from .async_io import again, whole
from .calls import Call
from .core.exceptions import ConfigurationError, MiiflowLLMError
from .core.messages import Message, as_messages
from .core.response import ChatResponse, Embeddings, ModelInfo
from .core.timeout import Timeout
from .exchange import Plan, Setup
from .metrics import Metrics, MetricsRecorder
from .parameters import CommonParameters, Messages, Parameters, ToolParameters, build_request
from .streams import ChatStream
from .target import Target
from .wire.encode import Unsupported
from .wire.frames import MAX_FRAME
from .wire.retry import RetryBudget
from .wire.table import Provider
from .wire.transport import Transport, TransportName

if TYPE_CHECKING:
    from .structured import Shape
    from .tool_loop import ToolRun

DEFAULT_TIMEOUT = Timeout()
"""The limits of a client that names none: see `Timeout`."""


class LLMClient:
    """One provider and, unless a call says otherwise, one model.

    Make it with `create`, use it from as many tasks as you like, close it with `aclose` or `async with`.
    """

    def __init__(self, setup: Setup, transport: Transport, model: str | None) -> None:
        self._setup = setup
        self._transport = transport
        self.model = model

    @classmethod
    def create(
        cls,
        provider: str | Provider,
        model: str | None = None,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        dialect: str | None = None,
        timeout: Timeout | float | None = DEFAULT_TIMEOUT,
        max_retries: int = 2,
        headers: Mapping[str, str] | None = None,
        unsupported: Unsupported = "raise",
        http_client: httpx.AsyncClient | None = None,
        transport: TransportName = "auto",
        allow_http: bool = False,
        max_frame_bytes: int = MAX_FRAME,
    ) -> Self:
        """A client of `provider`; nothing is sent yet.

        Args:
            provider: a name (`openai`, `anthropic`, ...), or a `Provider` of your own.
            model: the model's name as the provider spells it; a call may name another.
            api_key: the key; where `None`, the provider's environment variables are looked at.
            base_url: replaces the provider's address; the dialect's path is joined to it as it stands.
            dialect: another wire format that the provider speaks, such as `openai_responses`.
            timeout: a `Timeout`, a number of seconds for each single wait, or `None` for no limit.
            max_retries: further attempts after the first, while nothing was handed out.
            headers: sent with every request.
            unsupported: what becomes of a parameter that the provider does not take: `raise`, or `drop` with a warning.
            http_client: an `httpx.AsyncClient` of your own; it is not closed with this client.
            transport: `lean`, `httpx`, or `auto` for the lean one wherever it can serve.
            allow_http: send the key over plain http to hosts other than this machine.
            max_frame_bytes: the largest single event of a stream that is taken.

        Raises:
            ConfigurationError: unknown provider or dialect, no key, an unusable address or header.
        """
        if max_retries < 0:
            raise ConfigurationError(f"max_retries={max_retries}: 0 or more")
        if unsupported not in ("raise", "drop"):
            raise ConfigurationError(f"unsupported={unsupported!r}: 'raise' or 'drop'")
        target = Target.of(
            provider, api_key=api_key, base_url=base_url, dialect=dialect, headers=headers, allow_http=allow_http
        )
        setup = Setup(
            target,
            Timeout.of(timeout),
            max_retries,
            unsupported,
            RetryBudget(),
            MetricsRecorder(),
            max_frame_bytes,
        )
        return cls(setup, Transport(http_client, transport), model)

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self._setup.target.name

    async def chat(
        self, messages: Messages, *, timeout: Timeout | float | None = None, **parameters: Unpack[Parameters]
    ) -> ChatResponse:
        """The whole answer to `messages`.

        `parameters` are those of `ChatRequest`: temperature, max_tokens, tools, ...

        Raises:
            MiiflowLLMError: the request cannot be said, or no attempt gave an answer.
        """
        call = self._call(messages, timeout, stream=False, parameters=parameters)
        try:
            response = await self._whole(call)
        except MiiflowLLMError:
            raise
        except BaseException:
            call.abandoned()
            raise
        reader = call.shape_reader()
        if reader is not None:
            reader.finish(response)
        return response

    async def _whole(self, call: Call) -> ChatResponse:
        while True:
            answer, body = await whole(self._transport, call)
            try:
                response = call.read_whole(body)
            except MiiflowLLMError as error:
                await again(call, error)
            else:
                return call.finished(response, answer.headers)

    def stream_chat(
        self,
        messages: Messages,
        *,
        raw: bool = False,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[Parameters],
    ) -> ChatStream:
        """The answer to `messages` as it comes: iterate it, better inside `async with`.

        `raw=True` also gives chunks for frames in which nothing is unified. `parameters` are as for `chat`.

        Raises:
            MiiflowLLMError: the request cannot be said; what goes wrong later is raised by the iteration.
        """
        return ChatStream(self._transport, self._call(messages, timeout, stream=True, parameters=parameters), raw=raw)

    def stream_with_schema(
        self,
        messages: Messages,
        schema: Any,
        *,
        timeout: Timeout | float | None = None,
        **parameters: Unpack[ToolParameters],
    ) -> ChatStream:
        """The answer as it comes, as a value of the type `schema`.

        `schema` is a dataclass, msgspec Struct, TypedDict, pydantic model, a generic of these (`list[T]`, unions), or a
        JSON Schema as a dict. Each chunk's `partial_parse` is the value so far, in plain dicts and lists; the last
        chunk's `structured_output` is the whole value, of the type itself.

        Raises:
            ParsingError: by the iteration, in place of the last chunk, where the answer does not follow the type.
            MiiflowLLMError: as for `stream_chat`.
        """
        return self.stream_chat(messages, timeout=timeout, schema=schema, **parameters)

    async def run_tools(
        self,
        messages: Messages,
        tools: Sequence[Any],
        *,
        max_rounds: int = 10,
        max_concurrency: int = 8,
        schema: Any = None,
        **parameters: Unpack[CommonParameters],
    ) -> ToolRun:
        """Ask, run the calls that the model makes, and go on until it makes none.

        `tools` are typed functions, sync or async, or `Tool`s with one. The calls of one answer run side by side, at
        most `max_concurrency` at once; what a tool raises is told to the model. At most `max_rounds` answers are asked
        for. Cancelling it cancels the tools.

        Raises:
            ConfigurationError: a tool has no function to run.
            MiiflowLLMError: as for `chat`.
        """
        from .tool_loop import run_tools

        async def ask(conversation: list[Message]) -> ChatResponse:
            return await self.chat(conversation, tools=tools, schema=schema, **parameters)

        return await run_tools(
            ask, as_messages(messages), tools, max_rounds=max_rounds, max_concurrency=max_concurrency
        )

    def plan(self, messages: Messages, *, stream: bool = False, **parameters: Unpack[Parameters]) -> Plan:
        """The exact request that `chat` (or `stream_chat`) would send, without sending it; the key is hidden.

        Raises:
            MiiflowLLMError: the request cannot be said.
        """
        plan = self._call(messages, None, stream=stream, parameters=parameters).plan
        credential = self._setup.target.credential
        if credential is not None:
            plan.headers = {**plan.headers, credential.header: credential.hidden()}
        return plan

    async def models(self) -> list[ModelInfo]:
        """The models that the provider lists for this key.

        Raises:
            ConfigurationError: this provider lists none.
            MiiflowLLMError: no attempt gave an answer.
        """
        from . import side

        return await side.models(self._transport, self._setup)

    async def embed(
        self, texts: str | Sequence[str], *, model: str | None = None, dimensions: int | None = None
    ) -> Embeddings:
        """One vector for each text, in order. `dimensions` shortens them where the model can.

        Raises:
            ConfigurationError: this provider embeds nothing, no model was named, or a text is empty.
            MiiflowLLMError: no attempt gave an answer.
        """
        from . import side

        chosen = model or self.model
        if not chosen:
            raise ConfigurationError("no model: pass model=... to create() or to embed()", provider=self.provider)
        return await side.embed(
            self._transport, self._setup, [texts] if isinstance(texts, str) else texts, chosen, dimensions
        )

    async def count_tokens(self, messages: Messages, **parameters: Unpack[Parameters]) -> int:
        """How many prompt tokens the provider counts in what `chat` would send.

        Raises:
            ConfigurationError: this provider counts none ahead.
            MiiflowLLMError: no attempt gave an answer.
        """
        from . import side

        call = self._call(messages, None, stream=False, parameters=parameters)
        return await side.count_tokens(self._transport, self._setup, call.request)

    def get_metrics(self) -> Metrics:
        """What this client has done so far."""
        return self._setup.metrics.summary()

    async def aclose(self) -> None:
        """Close the connections. Harmless when done twice."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"LLMClient(provider={self.provider!r}, model={self.model!r})"

    def _call(
        self, messages: Messages, timeout: Timeout | float | None, *, stream: bool, parameters: Parameters
    ) -> Call:
        request = build_request(messages, parameters, model=self.model, stream=stream, provider=self.provider)
        limits = Timeout.of(timeout) if timeout is not None else None
        return Call(self._setup, request, limits, _shape(parameters.get("schema")))


def _shape(schema: Any) -> Shape | None:
    if schema is None:
        return None
    from .structured import Shape

    return Shape.of(schema)
