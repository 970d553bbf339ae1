"""OpenTelemetry for a client: its events become spans and metrics in the GenAI conventions (extra `[otel]`).

It stands only on the event hooks: nothing happens per chunk, and the client knows nothing of it. The conventions are
those of https://github.com/open-telemetry/semantic-conventions-genai (status: development). Names that released
versions of them spell otherwise are written in both spellings (`cache_write` and `cache_creation`). Their metric
`gen_ai.client.operation.time_per_output_chunk` is left out: it wants a point for each chunk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..calls.hooks import Hook, Hooks
from ..core.events import CallEvent, RouteEvent
from ..core.exceptions import ConfigurationError

try:
    from opentelemetry.metrics import Histogram, Meter, MeterProvider, get_meter
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider, get_tracer
except ImportError:  # pragma: no cover  the tests need it
    raise ImportError("miiflow_llm.otel needs OpenTelemetry: pip install 'miiflow-llm[otel]'") from None

from .._version import __version__
from .attributes import FIRST_OUTPUT, SCOPE, answered, common, ending, settings, started
from .caching import CacheTelemetry
from .routing import RouteTelemetry

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRST_CHUNK_SECONDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
TOKENS = tuple(4**power for power in range(14))
"""Bucket boundaries, from the conventions."""


class Hooked(Protocol):
    """What can be instrumented: clients, pools, routers, caches."""

    @property
    def event_hooks(self) -> Hooks:
        """The hooks by event."""


def instrument(
    client: Hooked,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    content: bool = False,
) -> Callable[[], None]:
    """Report every call of `client` (or of a pool's clients) as a span and in metrics; returns what takes it back.

    Of a router's call each attempt is a span too, under that of the call.

    Args:
        client: what makes the calls.
        tracer_provider: where spans go; `None` for the global one.
        meter_provider: where metrics go; `None` for the global one.
        content: also write the messages, the tools, the answer and the words of errors on the spans. They are what
            your users said: off unless asked for. The bytes of images and documents are never written.

    Raises:
        ConfigurationError: the client is instrumented already.
    """
    hooks = client.event_hooks
    if any(isinstance(getattr(hook, "__self__", None), Telemetry) for hook in hooks["request"]):
        raise ConfigurationError("the client is instrumented already; call what instrument() returned to take it back")
    tracer = get_tracer(SCOPE, __version__, tracer_provider)
    meter = get_meter(SCOPE, __version__, meter_provider)
    added: dict[str, Hook] = {**Telemetry(tracer, meter, content=content).hooks()}
    if "cache_hit" in hooks:
        added.update(CacheTelemetry(tracer, meter).hooks())
    if "routed" in hooks:
        added.update(RouteTelemetry(tracer, meter).hooks())
    for name, hook in added.items():
        hooks[name].append(hook)

    def take_back() -> None:
        for name, hook in added.items():
            if hook in hooks[name]:
                hooks[name].remove(hook)

    return take_back


class Telemetry:
    """One span for each call, from its first event to its last, and three histograms."""

    def __init__(self, tracer: Any, meter: Meter, *, content: bool) -> None:
        self._tracer = tracer
        self._content = content
        self._duration = _seconds(meter, "operation.duration", "Duration of GenAI operations.", SECONDS)
        self._first_chunk = _seconds(
            meter, "operation.time_to_first_chunk", "Time to the first chunk of a stream.", FIRST_CHUNK_SECONDS
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=TOKENS,
        )

    def hooks(self) -> dict[str, Callable[[CallEvent], None]]:
        """Its functions by event."""
        return {
            "request": self.begun,
            "attempt": self.tried,
            "first_output": self.answering,
            "finished": self.ended,
            "failed": self.ended,
            "abandoned": self.ended,
        }

    def begun(self, event: CallEvent) -> None:
        """Open the span, under the one that is current where the call runs."""
        attributes = {**common(event), **settings(event.request)}
        name = f"{attributes['gen_ai.operation.name']} {event.model}".rstrip()
        kind = SpanKind.INTERNAL if isinstance(event, RouteEvent) else SpanKind.CLIENT  # its attempts are the clients'
        span = self._tracer.start_span(name, kind=kind, attributes=attributes, start_time=started(event))
        event.extensions[SCOPE] = span
        if self._content and event.request is not None and span.is_recording():
            from .content import input_messages, tool_definitions

            span.set_attribute("gen_ai.input.messages", input_messages(event.request.messages))
            if event.request.tools:
                span.set_attribute("gen_ai.tool.definitions", tool_definitions(event.request.tools))

    def tried(self, event: CallEvent) -> None:
        """Note a further attempt on the span, with what became of the one before."""
        span = _span(event)
        if span is None or event.attempt < 2:
            return
        before = event.attempts[-2]
        facts = {
            "miiflow_llm.attempt": event.attempt,
            "error.type": before.reason,
            "http.response.status_code": before.status,
            "miiflow_llm.waited": event.attempts[-1].waited_ms / 1000,
        }
        span.add_event("miiflow_llm.retry", {name: value for name, value in facts.items() if value is not None})

    def answering(self, event: CallEvent) -> None:
        """Keep the time of the first output; that of the last attempt counts."""
        event.extensions[FIRST_OUTPUT] = event.elapsed_ms / 1000

    def ended(self, event: CallEvent) -> None:
        """Close the span and record the metrics."""
        end = ending(event)
        span = _span(event)
        if span is not None:
            span.set_attributes({**end, **answered(event)})
            self._tell(span, event)
            span.end()
        self._record({**common(event), **end}, event)

    def _tell(self, span: Span, event: CallEvent) -> None:
        """Status and, if asked for, content."""
        if event.error is not None:
            span.set_status(Status(StatusCode.ERROR, event.error.message if self._content else None))
        answer = event.response or (event.error.partial if event.error is not None else None)
        if self._content and answer is not None and span.is_recording():
            from .content import output_messages

            span.set_attribute("gen_ai.output.messages", output_messages(answer))

    def _record(self, attributes: dict[str, Any], event: CallEvent) -> None:
        self._duration.record(event.elapsed_ms / 1000, attributes)
        plain = {name: value for name, value in attributes.items() if name != "error.type"}
        if FIRST_OUTPUT in event.extensions:
            self._first_chunk.record(event.extensions[FIRST_OUTPUT], plain)
        if event.usage is None:
            return
        for kind, count in (("input", event.usage.prompt_tokens), ("output", event.usage.completion_tokens)):
            if count is not None:
                self._tokens.record(count, {**plain, "gen_ai.token.type": kind})


def _seconds(meter: Meter, name: str, description: str, buckets: tuple[float, ...]) -> Histogram:
    return meter.create_histogram(
        f"gen_ai.client.{name}", unit="s", description=description, explicit_bucket_boundaries_advisory=buckets
    )


def _span(event: CallEvent) -> Span | None:
    span: Span | None = event.extensions.get(SCOPE)
    return span
