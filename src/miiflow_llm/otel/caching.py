"""What a cache answered, as spans and counts of their own: what nobody was asked for has no place among latencies."""

from __future__ import annotations

from typing import Any

from opentelemetry.metrics import Meter
from opentelemetry.trace import SpanKind

from ..calls.hooks import Hook
from ..core.events import CacheEvent, CallEvent
from .attributes import answered, common, settings, started

HOW = "miiflow_llm.cache"
"""The attribute that says how a cache answered: `hit`, `stale`, `joined`; in the counts also `stored`."""


class CacheTelemetry:
    """A span for each answer that a cache gave, the counts of what it did, and the tokens that it saved.

    Such a span has no `gen_ai.usage`: backends would count tokens that were not used.
    """

    def __init__(self, tracer: Any, meter: Meter) -> None:
        self._tracer = tracer
        self._answers = meter.create_counter(
            "miiflow_llm.cache.answers", unit="{answer}", description="Answers that a cache gave or stored."
        )
        self._saved = meter.create_counter(
            "miiflow_llm.cache.saved_tokens", unit="{token}", description="Tokens of answers that a cache gave."
        )

    def hooks(self) -> dict[str, Hook]:
        """Its functions by event."""
        return {"cache_hit": self.given, "cache_joined": self.given, "cache_stored": self.stored}

    def given(self, event: CallEvent) -> None:
        """An answer was given without a call."""
        if not isinstance(event, CacheEvent):
            return
        shared = {**common(event), HOW: event.cached or "hit"}
        facts = {name: value for name, value in answered(event).items() if not name.startswith("gen_ai.usage.")}
        tokens = event.usage.total_tokens if event.usage is not None else None
        if tokens:
            facts["miiflow_llm.cache.saved_tokens"] = tokens
            self._saved.add(tokens, shared)
        if event.saved is not None:
            facts["miiflow_llm.cache.saved.amount"] = event.saved.amount
            facts["miiflow_llm.cache.saved.currency"] = event.saved.currency
        self._answers.add(1, shared)
        span = self._tracer.start_span(
            f"{event.operation} {event.model}".rstrip(),
            kind=SpanKind.INTERNAL,
            attributes={**shared, **settings(event.request), **facts},
            start_time=started(event),
        )
        span.end()

    def stored(self, event: CallEvent) -> None:
        """An answer is kept from now on."""
        self._answers.add(1, {**common(event), HOW: "stored"})
