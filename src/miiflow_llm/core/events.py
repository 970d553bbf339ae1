"""What a hook is told about a call: which event, of which call, and how far the call has come. Nothing per chunk."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from .exceptions import MiiflowLLMError
from .price import Cost, total
from .request import ChatRequest, Plan
from .response import Attempt, Cached, ChatResponse, Embeddings, Why
from .usage import TokenCount

EventName: TypeAlias = Literal["request", "attempt", "first_output", "over_budget", "finished", "failed", "abandoned"]
EVENTS: tuple[EventName, ...] = (
    "request",
    "attempt",
    "first_output",
    "over_budget",
    "finished",
    "failed",
    "abandoned",
)
RouteEventName: TypeAlias = Literal[
    "routed", "hedged", "moved", "attempt_ended", "target_opened", "target_closed", "target_out"
]
ROUTE_EVENTS: tuple[RouteEventName, ...] = (
    "routed",
    "hedged",
    "moved",
    "attempt_ended",
    "target_opened",
    "target_closed",
    "target_out",
)
"""What a router tells beside the events of a call."""
CacheEventName: TypeAlias = Literal["cache_hit", "cache_joined", "cache_stored"]
CACHE_EVENTS: tuple[CacheEventName, ...] = ("cache_hit", "cache_joined", "cache_stored")
"""What a cache tells beside the events of the calls that it makes."""
Operation: TypeAlias = Literal["chat", "models", "embeddings", "count_tokens", "request", "batch"]


class CallEvent(msgspec.Struct, kw_only=True, frozen=True):
    """One event in the life of a call.

    `event` is `request` (once, before anything is sent), `attempt` (an attempt begins; what became of the one before
    stands in `attempts`), `first_output` (streams only, once for an attempt that brings any), `over_budget` (an attempt
    was not made, since a `Budget` has too little left; `error` says more), and one of the three ends: `finished`,
    `failed`, or `abandoned` if the caller left or was cancelled. An answer that is not of the type asked for has
    finished all the same: its `ParsingError` comes after.

    `operation` is `chat`, `models`, `embeddings`, `count_tokens`, or `request` for what no table speaks. `plan` is the
    request on the wire, without the key.
    `request` is what the caller asked for, with the messages (`None` for all but chats and counts). `attempt` counts
    from 1, 0 before the first; `attempts` are those so far. `elapsed_ms` runs from the call to this event. `response`
    is the answer of a chat that finished, `error` the reason of a failure (with `partial`, what came of an answer).
    `usage` is what was reported by the end, `None` before it. `extensions` is one dict for all events of a call, for a
    hook to keep what is its own.
    """

    event: EventName | RouteEventName | CacheEventName
    provider: str
    model: str
    operation: Operation
    stream: bool
    plan: Plan
    request: ChatRequest | None = None
    attempt: int = 0
    attempts: tuple[Attempt, ...] = ()
    elapsed_ms: float = 0.0
    response: ChatResponse | None = None
    embeddings: Embeddings | None = None
    error: MiiflowLLMError | None = None
    extensions: dict[str, Any] = {}

    @property
    def usage(self) -> TokenCount | None:
        """The tokens reported for the call; `None` if nothing has been."""
        partial = self.error.partial if self.error is not None else None
        answer = self.response or self.embeddings or partial
        return answer.usage if answer is not None and answer.usage else None

    @property
    def cost(self) -> Cost | None:
        """What the call cost; of one that failed or was left, what is known of its attempts. `None` if nothing is."""
        answer = self.response or self.embeddings
        return answer.cost if answer is not None else total(attempt.cost for attempt in self.attempts)


class RouteEvent(CallEvent, kw_only=True, frozen=True):
    """One event of a call that a router makes, beside those of `CallEvent`, which are of the call as a whole.

    `routed`: a target was chosen (`ranked` are the labels in their order, `skipped` those left out, with the reason).
    `hedged`: a second attempt starts beside a slow first. `moved`: another attempt follows a failure. `attempt_ended`:
    `ended` says how. `target_opened`: a target is passed over for a while, since it failed too often; `target_closed`:
    it is back; `target_out`: it cannot be used as it is set up (a wrong key, no such model, no credit).

    `route` is the router's name, `target` the label of the target that the event is about, `why` why the attempt was
    made, `ended` the attempt.
    """

    route: str = ""
    target: str | None = None
    why: Why | None = None
    ended: Attempt | None = None
    ranked: tuple[str, ...] = ()
    skipped: dict[str, str] = {}


class CacheEvent(CallEvent, kw_only=True, frozen=True):
    """What a cache did for one call, beside the events of the calls that it makes.

    `cache_hit`: what was kept was given. `cache_joined`: an equal call that was on its way gave the answer; both tell
    how in `cached`, and in `saved` what the call would have cost (`None` if unknown). `cache_stored`: an answer is kept
    from now on. `response` or `embeddings` is the answer; `plan` the request that was not sent, without an address if
    the cache stands before several targets. `key` is the key of the answer.
    """

    key: str = ""
    cached: Cached | None = None
    saved: Cost | None = None
