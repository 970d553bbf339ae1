"""What a router's calls show beside the span of the whole call: a child for each attempt, and counts of both."""

from __future__ import annotations

from typing import Any

from opentelemetry.metrics import Meter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context

from ..calls.hooks import Hook
from ..core.events import CallEvent, RouteEvent
from .attributes import SCOPE, common

_ATTEMPTS = "miiflow_llm.route.attempts"
_TARGET = "miiflow_llm.target"


class RouteTelemetry:
    """A child span for each attempt, under the span of its call; what was decided stands on that as events.

    The children have no `gen_ai.usage`, which is the whole call's: backends would count it twice.
    """

    def __init__(self, tracer: Any, meter: Meter) -> None:
        self._tracer = tracer
        self._attempts = meter.create_counter(
            "miiflow_llm.route.attempts", unit="{attempt}", description="Attempts at targets, by why and outcome."
        )
        self._changes = meter.create_counter(
            "miiflow_llm.route.target_changes", unit="{change}", description="Targets put out, closed and opened."
        )

    def hooks(self) -> dict[str, Hook]:
        """Its functions by event; `attempt` stands in place of the note that a client's further attempt is."""
        return {
            "attempt": self.began,
            "attempt_ended": self.ended,
            "routed": self.routed,
            "hedged": self.noted,
            "moved": self.noted,
            "target_opened": self.changed,
            "target_closed": self.changed,
            "target_out": self.changed,
        }

    def began(self, event: CallEvent) -> None:
        """An attempt begins."""
        parent = event.extensions.get(SCOPE)
        if parent is None or not isinstance(event, RouteEvent):
            return
        facts = {name: value for name, value in common(event).items() if not name.startswith("server.")}
        span = self._tracer.start_span(
            f"{event.operation} {event.model}".rstrip(),
            context=set_span_in_context(parent),
            kind=SpanKind.CLIENT,
            attributes={**facts, **_said(event), "miiflow_llm.attempt": event.attempt},
        )
        event.extensions.setdefault(_ATTEMPTS, {})[event.attempt] = span

    def ended(self, event: CallEvent) -> None:
        """An attempt ended."""
        if not isinstance(event, RouteEvent):
            return
        span: Span | None = event.extensions.get(_ATTEMPTS, {}).pop(event.attempt, None)
        record = event.ended
        outcome = (record.outcome if record is not None else None) or "cancelled"
        self._attempts.add(1, {"miiflow_llm.route": event.route, **_said(event), "miiflow_llm.outcome": outcome})
        if span is None:
            return
        facts = {
            "miiflow_llm.outcome": outcome,
            "error.type": type(event.error).__name__ if event.error is not None else None,
            "http.response.status_code": record.status if record is not None else None,
            "miiflow_llm.waited": record.waited_ms / 1000 if record is not None else None,
        }
        span.set_attributes({name: value for name, value in facts.items() if value is not None})
        if event.error is not None:
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    def routed(self, event: CallEvent) -> None:
        """The first target was chosen."""
        span = event.extensions.get(SCOPE)
        if span is not None and isinstance(event, RouteEvent):
            skipped = [f"{label}: {why}" for label, why in event.skipped.items()]
            span.add_event("miiflow_llm.routed", {"miiflow_llm.ranked": event.ranked, "miiflow_llm.skipped": skipped})

    def noted(self, event: CallEvent) -> None:
        """A second attempt starts beside a slow first, or another follows a failed one."""
        span = event.extensions.get(SCOPE)
        if span is not None and isinstance(event, RouteEvent):
            span.add_event(f"miiflow_llm.{event.event}", _said(event))

    def changed(self, event: CallEvent) -> None:
        """A target's state changed."""
        if isinstance(event, RouteEvent):
            facts = {"miiflow_llm.route": event.route, _TARGET: event.target or "", "miiflow_llm.change": event.event}
            self._changes.add(1, facts)
            self.noted(event)


def _said(event: RouteEvent) -> dict[str, Any]:
    """The target and why it is asked."""
    found = {_TARGET: event.target, "miiflow_llm.why": event.why}
    return {name: value for name, value in found.items() if value is not None}
