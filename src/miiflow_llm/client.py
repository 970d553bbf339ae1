"""The client: what people hold. It owns policy (timeouts, retries, metrics) and never looks into a payload."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self, Unpack

import httpx

from .calls import Call, Plan, Setup
from .core.exceptions import ConfigurationError, MiiflowLLMError
from .core.response import ChatResponse
from .core.timeout import Timeout
from .metrics import Metrics, MetricsRecorder
from .parameters import Messages, Parameters, build_request
from .streams import ChatStream
from .target import Target
from .wire.encode import Unsupported
from .wire.frames import MAX_FRAME
from .wire.retry import RetryBudget
from .wire.table import Provider
from .wire.transport import Transport, TransportName

DEFAULT_TIMEOUT = Timeout()
"""The limits of a client that names none: see `Timeout`."""


class LLMClient:
    """One provider and, unless a call says otherwise, one model.

    Make it with `create`, use it from as many tasks as you like, close it with `aclose` or `async with`.
    """

    def __init__(self, setup: Setup, model: str | None) -> None:
        self._setup = setup
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
            Transport(http_client, transport),
            Timeout.of(timeout),
            max_retries,
            unsupported,
            RetryBudget(),
            MetricsRecorder(),
            max_frame_bytes,
        )
        return cls(setup, model)

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
            return await self._whole(call)
        except MiiflowLLMError:
            raise
        except BaseException:
            call.abandoned()
            raise

    async def _whole(self, call: Call) -> ChatResponse:
        while True:
            answer = await call.send()
            try:
                body = await call.whole_body(answer)
                response = call.engine.read_whole(body, call.request.model, call.request.messages)
            except MiiflowLLMError as error:
                await call.again(error)
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
        return ChatStream(self._call(messages, timeout, stream=True, parameters=parameters), raw=raw)

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

    def get_metrics(self) -> Metrics:
        """What this client has done so far."""
        return self._setup.metrics.summary()

    async def aclose(self) -> None:
        """Close the connections. Harmless when done twice."""
        await self._setup.transport.aclose()

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
        return Call(self._setup, request, Timeout.of(timeout) if timeout is not None else None)
