"""Plan one chat call from its unified request, and read its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from ..core.exceptions import ParsingError
from ..core.messages import Message
from ..core.request import ChatRequest, Plan
from ..core.response import ChatResponse
from ..core.timeout import Timeout
from ..core.usage import TokenCount
from ..tables import Structured
from ..wire.decode.headers import rate_limit
from ..wire.encode.tool_names import callers_names
from ..wire.engine import StreamReader
from .exchange import Exchange, Setup, log
from .target import Route

if TYPE_CHECKING:
    from .structured import Shape, ShapeReader


_WRONG = (
    "That answer does not follow the schema: {reason}. Answer again, with the whole corrected JSON and nothing else."
)
_WAYS = {"tool": "through a tool that must be called", "prompt": "in words of the prompt"}


class Call(Exchange):
    """A chat call being made; `shape` is the type that its answer must have, `mode` how the model is made to follow."""

    request: ChatRequest

    def __init__(
        self,
        setup: Setup,
        request: ChatRequest,
        timeout: Timeout | None,
        shape: Shape | None = None,
        retries_on_parse: int = 0,
    ) -> None:
        route = setup.target.route(request.model)
        self.shape = shape
        self.mode: Structured | None = None
        if shape is not None:
            from .structured import asked

            request, self.mode = asked(request, shape, route.engine.dialect)
        self.request = request
        self._tries_left = retries_on_parse
        self._usage = TokenCount()
        self._names = callers_names(route.engine.dialect, request)
        super().__init__(setup, route.engine, request.model, planned(setup, route, request), timeout)
        if self.mode in ("tool", "prompt"):
            self.plan.notes.append(f"schema: {_WAYS[self.mode]}")

    @property
    def names(self) -> Mapping[str, str]:
        """The caller's names of tools that have others on the wire."""
        return self._names or {}

    def reader(self, *, raw: bool) -> StreamReader:
        """A reader for the streamed answer of one attempt."""
        return self.engine.stream(
            self.request.model,
            self.request.messages,
            keep_raw=raw,
            answer_in_call=self.mode == "tool",
            names=self._names,
            tools=[tool.name for tool in self.request.tools or ()],
            max_frame=self.setup.max_frame,
        )

    def read_whole(self, body: bytes) -> ChatResponse:
        """The response in a whole body."""
        request = self.request
        in_call = self.mode == "tool"
        return self.engine.read_whole(body, request.model, request.messages, answer_in_call=in_call, names=self._names)

    def shape_reader(self) -> ShapeReader | None:
        """What reads the caller's type out of the answer; `None` if no type was asked for."""
        if self.shape is None or self.mode is None:
            return None
        from .structured import ShapeReader

        return ShapeReader(self.shape)

    def asks_again(self, response: ChatResponse, reader: ShapeReader) -> bool:
        """Whether an answer that is whole is asked for once more, since it does not follow the caller's type.

        Then the request tells the model what is wrong with it.
        """
        if self._tries_left < 1 or response.finish_reason in ("length", "content_filter"):
            return False
        try:
            reader.finish(response)
        except ParsingError as error:
            self._tries_left -= 1
            self._ask_again(response, error)
            return True
        return False

    def _ask_again(self, response: ChatResponse, error: ParsingError) -> None:
        self.note_failure(error)
        self.spent(response.cost, response.usage, response.model)
        self._usage += response.usage
        told = Message.user(_WRONG.format(reason=error.message))
        messages = [*self.request.messages, response.message, told]
        self.request = msgspec.structs.replace(self.request, messages=messages)
        self.plan = planned(self.setup, self.setup.target.route(self.request.model), self.request)

    def finished(self, response: ChatResponse, headers: Mapping[str, str]) -> ChatResponse:
        """The response, completed with what is known beside the body, and counted."""
        named = self.engine.dialect.response_headers
        attempt = self.attempts[-1]
        attempt.total_ms = self._since(self.began)
        self.spent(response.cost, response.usage, response.model, whole=True)
        response.cost = None if attempt.cost is None else self.known_cost()
        response.attempts = self.attempts
        response.usage = self._usage + response.usage if self._usage else response.usage
        response.request_id = attempt.request_id or response.request_id
        response.rate_limit = rate_limit(headers, named)
        response.latency_ms = self._since(self.started)
        if attempt.first_output_ms is not None:
            response.time_to_first_token_ms = round(attempt.first_output_ms + (self.began - self.started) * 1000, 3)
        if not self._settled:
            self._settled = True
            self.setup.metrics.finished(
                self.name,
                response.usage,
                response.latency_ms,
                response.time_to_first_token_ms,
                self.retries_made,
                response.cost,
            )
            self.log_attempt()
            self.tell("finished", response=response)
        return response


def planned(setup: Setup, route: Route, request: ChatRequest) -> Plan:
    """The request as it goes on the wire.

    Raises:
        MiiflowLLMError: it cannot be said in this dialect.
    """
    dialect = route.engine.dialect
    encoded = route.engine.encode(request, unsupported=setup.unsupported)
    for note in encoded.dropped:
        log.warning("%s/%s: %s", setup.target.name, request.model, note)
    base_url = route.base_url_for(request)
    extra = setup.target.extra_headers(base_url, request.extra_headers)
    headers = setup.target.request_headers(dialect, stream=request.stream, extra=extra)
    return Plan("POST", base_url + encoded.path, headers, encoded.parts, encoded.notes, dialect.name)
