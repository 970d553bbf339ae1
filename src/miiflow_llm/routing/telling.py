"""What a routed call tells: its hooks, the router's counts and, once, the log. Where nobody listens nothing is made."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from ..calls.hooks import call_hooks
from ..choosing.course import Move
from ..core import clock
from ..core.events import EventName, RouteEvent, RouteEventName
from ..core.exceptions import MiiflowLLMError
from ..core.price import Cost, total
from ..core.request import ChatRequest, Plan
from ..core.response import ChatResponse, Embeddings
from .asking import Asked
from .attempted import Attempted
from .shared import Shared
from .sources import Source, said

log = logging.getLogger("miiflow_llm")
_NO_PLAN = Plan("", "", {}, None, [], "")


class Telling:
    """The events of one call. `attempted` are its attempts, a list that grows."""

    __slots__ = ("_asked", "_attempted", "_extensions", "_first", "_plan", "_request", "_router")

    def __init__(self, router: Shared, asked: Asked, attempted: Sequence[Attempted]) -> None:
        self._router = router
        self._asked = asked
        self._attempted = attempted
        self._first: Attempted | None = None
        self._plan: Plan | None = None
        self._request: ChatRequest | None = None
        self._extensions: dict[str, Any] = {}

    def begun(self, source: Source) -> None:
        """The first request is about to be sent."""
        if self._plan is None:
            plan, self._request = said(source)
            self._plan = plan or _NO_PLAN
            self._tell("request")

    def attempt(self, attempted: Attempted) -> None:
        """An attempt begins."""
        if self._first is None:
            self._first = attempted
            self._routed(attempted)
        self._tell("attempt", attempted)

    def hedged(self, attempted: Attempted) -> None:
        """It runs beside a slow first."""
        self._tell("hedged", attempted)

    def moved(self, attempted: Attempted, move: Move) -> None:
        """Another attempt follows a failed one."""
        if move.kind == "ask":
            label = self._router.aims[move.target].label
            self._tell("moved", attempted, target=label, why=move.why, error=attempted.error)

    def first_output(self, winner: Attempted) -> None:
        """The answer begins."""
        self._tell("first_output", winner)

    def ended(self, attempted: Attempted) -> None:
        """An attempt ended."""
        record = attempted.records[-1] if attempted.records else None
        self._tell("attempt_ended", attempted, ended=record, error=attempted.error)

    def over_budget(self, attempted: Attempted) -> None:
        """An attempt was not made, since it costs more than is left."""
        self._tell("over_budget", attempted, error=attempted.error)

    def target(self, event: RouteEventName, attempted: Attempted) -> None:
        """A target's state changed."""
        if event == "target_out":
            log.warning("%s: %s is out for now: %s", self._router.name, attempted.aim.label, attempted.error)
        self._tell(event, attempted, error=attempted.error)

    def finished(self, winner: Attempted, response: ChatResponse) -> None:
        """The call has its answer."""
        self._router.metrics.finished(
            response.served_by or "",
            response.usage,
            response.latency_ms or 0.0,
            response.time_to_first_token_ms,
            self._further,
            response.cost,
        )
        self._tell("finished", winner, response=response)

    def answered(self, embeddings: Embeddings | None) -> None:
        """A call beside the chat has its answer."""
        self._tell("finished", self._attempted[-1], embeddings=embeddings)

    def failed(self, error: MiiflowLLMError) -> None:
        """The call has no answer."""
        usage = error.partial.usage if error.partial is not None else None
        if self._asked.operation == "chat":
            self._router.metrics.failed(self._label, self._further, usage, self._cost)
        self._tell("failed", self._first, error=error)

    def abandoned(self) -> None:
        """The caller left."""
        if self._asked.operation == "chat":
            self._router.metrics.abandoned(self._label, self._further, None, self._cost)
        self._tell("abandoned", self._first)

    def _routed(self, attempted: Attempted) -> None:
        """The first target was chosen."""
        if self._router.hooks["routed"]:
            ranked, skipped = self._router.ranking(self._asked.ask)
            self._tell("routed", attempted, ranked=ranked, skipped=skipped)

    @property
    def _cost(self) -> Cost | None:
        return total(record.cost for one in self._attempted for record in one.records)

    @property
    def _further(self) -> int:
        return max(len(self._attempted) - 1, 0)

    @property
    def _label(self) -> str:
        return self._first.aim.label if self._first is not None else self._router.name

    def _tell(self, event: EventName | RouteEventName, attempted: Attempted | None = None, **facts: Any) -> None:
        listening = self._router.hooks[event]
        if listening:
            call_hooks(listening, self._event(event, attempted, facts))

    def _event(
        self, event: EventName | RouteEventName, attempted: Attempted | None, facts: dict[str, Any]
    ) -> RouteEvent:
        asked, so_far = self._asked, self._attempted
        aim = attempted.aim if attempted is not None else None
        own = {} if attempted is None else {"target": attempted.aim.label, "why": attempted.made.why}
        request = self._request
        return RouteEvent(
            event=event,
            provider=aim.provider if aim is not None else self._router.name,
            model=(aim.model if aim is not None else None) or (request.model if request is not None else ""),
            operation=asked.operation,
            stream=asked.streamed,
            plan=self._plan or _NO_PLAN,
            request=request,
            attempt=so_far.index(attempted) + 1 if attempted in so_far else len(so_far),
            attempts=tuple(record for one in so_far for record in one.records),
            elapsed_ms=round((clock.monotonic() - asked.started) * 1000, 3),
            extensions=self._extensions,
            route=self._router.name,
            **{**own, **facts},
        )
