"""What comes back: the chunks of a stream and the whole response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal

import msgspec

from .exceptions import ParsingError
from .messages import Message, ToolCall
from .plain import plain_struct
from .price import Cost
from .transcript import Transcript
from .usage import TokenCount

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    Parsed = TypeVar("Parsed", default=Any)
    """The type of `structured_output`: the call's `schema`, `None` without one, `Any` if it is not known."""
else:
    from typing import TypeVar

    Parsed = TypeVar("Parsed")

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "unknown"]
Why = Literal["first", "retry", "failover", "hedge", "probe", "panic", "restart", "continue"]
Outcome = Literal["served", "failed", "lost", "cancelled"]
Cached = Literal["hit", "stale", "joined"]


class ToolCallDelta(msgspec.Struct, frozen=True, omit_defaults=True):
    """A piece of a tool call.

    `index` counts the calls of the answer from 0, whatever the wire said. `id` and `name` come with the call's first
    piece, `arguments` is the new text of the arguments. A server that sends a name in fragments, or an id late, makes
    later pieces have the rest of the name, or the id in place of the first one.
    """

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


class StreamChunk(msgspec.Struct, omit_defaults=True, gc=False):
    """One step of a streamed answer.

    `delta` is new text, `reasoning_delta` new reasoning, `tool_call_deltas` new pieces of calls, `refusal_delta` new
    words of a refusal. `finish_reason` and the whole call's `usage` are on the last chunk and only there;
    `raw_finish_reason` is the provider's own word. `logprobs` and `citations` are in the provider's own form. `raw`
    is the payload of the frame behind this chunk. `partial_parse` and `structured_output` are set when a schema was
    given; the former is one value that grows from chunk to chunk, so that it costs the same however long it is: copy it
    to keep a state of it. `restarted` is true on the first chunk of an answer that begins again, at another target or
    since it did not follow the schema: what was shown of the one before is to be dropped. `cost` is on the last chunk:
    what the whole call cost, as in `ChatResponse`.
    """

    delta: str = ""
    reasoning_delta: str = ""
    tool_call_deltas: list[ToolCallDelta] = []
    finish_reason: FinishReason | None = None
    usage: TokenCount | None = None
    raw: bytes = b""
    raw_finish_reason: str | None = None
    refusal_delta: str = ""
    logprobs: list[Any] | None = None
    citations: list[Any] | None = None
    partial_parse: Any = None
    structured_output: Any = None
    restarted: bool = False
    cost: Cost | None = None
    _log: Transcript | None = None
    _seen: int = 0

    def to_dict(self, *, raw: bool = False) -> dict[str, Any]:
        """What this chunk says, as plain values that JSON has; `raw` adds the frame's payload as text."""
        return plain_struct(self, raw=raw, defaults=False)

    @property
    def content(self) -> str:
        """All text so far, this chunk's included; joined when asked for."""
        return self.delta if self._log is None else self._log.text(self._seen)

    @property
    def reasoning(self) -> str:
        """All reasoning so far, this chunk's included; joined when asked for."""
        return self.reasoning_delta if self._log is None else self._log.reasoning(self._seen)

    @property
    def tool_calls(self) -> list[ToolCall]:
        """All tool calls so far, as far as they have come; built when asked for."""
        return [] if self._log is None else self._log.tool_calls(self._seen)


StreamContent = StreamChunk
"""The name that the first README had for it."""


class RateLimit(msgspec.Struct, frozen=True, omit_defaults=True):
    """The provider's own counters, from its headers. `None` where it sends none; resets in seconds from now."""

    limit_requests: int | None = None
    remaining_requests: int | None = None
    reset_requests: float | None = None
    limit_tokens: int | None = None
    remaining_tokens: int | None = None
    reset_tokens: float | None = None


class Attempt(msgspec.Struct, omit_defaults=True):
    """One request on the wire.

    `target` is `provider/model`, or the label that a router knows the target by. `status` is the HTTP status (`None` if
    none came), `reason` why the attempt did not serve (an exception's name; `None` for the one that did). Times in
    milliseconds: `connect_ms` to the response's head, `first_output_ms` to the first output, `total_ms` to the end;
    `waited_ms` was slept before it.

    A router also says `why` it made the attempt: `first`, `retry` (the same target again), `failover` (another one),
    `hedge` (another one beside the first, which was slow), `probe` (to see whether a target is back), `panic` (no
    target was healthy), `restart` or `continue` (the answer had begun). `outcome` says what became of it: `served`,
    `failed`, `lost` (another attempt was faster) or `cancelled` (the caller left). `usage` and `cost` are the
    attempt's own, `None` if they are not known.
    """

    target: str
    status: int | None = None
    request_id: str | None = None
    reason: str | None = None
    connect_ms: float | None = None
    first_output_ms: float | None = None
    total_ms: float | None = None
    waited_ms: float = 0.0
    why: Why | None = None
    outcome: Outcome | None = None
    usage: TokenCount | None = None
    cost: Cost | None = None


class ChatResponse(msgspec.Struct, Generic[Parsed], kw_only=True):
    """One whole answer.

    `message.content` is its text. `usage` is always there, its fields `None` if nothing was reported.
    `latency_ms` runs from the call to its end, `time_to_first_token_ms` to the first output (`None` when not
    streamed). `attempts` are the requests made, in order. `raw` is the body of a non-streamed answer.

    `cost` is what the call cost with all its attempts, `None` if that is not known, never 0 in its place. `served_by`
    is the label of the router's target that answered, `skipped` are the labels of those that were not asked, with the
    reason. `cache` says how a cache answered: `hit`, `stale` (kept too long, given because nothing better could be had)
    or `joined` (to an equal call that was on its way); `None` if no cache did. Then `saved` is what the call would have
    cost. `call_id` is the id under which a trial knows the call, for `trial.score`; `None` if no trial was in its way.
    """

    message: Message
    usage: TokenCount = TokenCount()
    finish_reason: FinishReason | None = None
    raw_finish_reason: str | None = None
    provider: str = ""
    model: str = ""
    id: str | None = None
    request_id: str | None = None
    rate_limit: RateLimit | None = None
    logprobs: list[Any] | None = None
    citations: list[Any] | None = None
    structured_output: Parsed = None  # type: ignore[assignment]  # `None` unless there was a schema
    latency_ms: float | None = None
    time_to_first_token_ms: float | None = None
    attempts: list[Attempt] = []
    raw: bytes | None = None
    cost: Cost | None = None
    served_by: str | None = None
    skipped: dict[str, str] = {}
    cache: Cached | None = None
    saved: Cost | None = None
    call_id: str | None = None

    def to_dict(self, *, raw: bool = False) -> dict[str, Any]:
        """Every field as plain values that JSON has; `raw` adds the body of the answer as text."""
        return plain_struct(self, raw=raw)

    @property
    def content(self) -> str:
        """The text of the answer."""
        return self.message.text

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls that the model asks for."""
        return self.message.tool_calls


class ModelInfo(msgspec.Struct, frozen=True):
    """A model as the provider lists it: its `id`, and everything else as plain values in `details`."""

    id: str
    details: dict[str, Any]


class Embeddings(msgspec.Struct, frozen=True):
    """One vector for each text, in the order in which the texts were given. `usage` and `cost` as for a chat."""

    vectors: list[list[float]]
    model: str
    usage: TokenCount = TokenCount()
    cost: Cost | None = None


class RawResponse(msgspec.Struct, frozen=True):
    """What an endpoint answered that no table speaks: its status (2xx), headers by lower-case name, and body.

    `attempts` are the requests made, in order.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    request_id: str | None = None
    attempts: list[Attempt] = []

    @property
    def text(self) -> str:
        """The body as UTF-8 text, with U+FFFD for bytes that are not."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as plain values.

        Raises:
            ParsingError: it is not JSON.
        """
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError) as reason:
            raise ParsingError(f"the body is not JSON: {reason}", text=self.text, reason=str(reason)) from None
