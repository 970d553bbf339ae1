"""OpenTelemetry: the spans and metrics of calls as its in-memory exporters see them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from miiflow_llm import LLMClient, SyncLLMClient
from miiflow_llm.core.exceptions import ConfigurationError, MiiflowLLMError
from miiflow_llm.replay.faults import StatusFirst
from miiflow_llm.replay.server import ReplayServer, serving

from ..captured import own

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from miiflow_llm.otel.instrumentation import instrument

KEY = "sk-planted-key-0123456789"
CAPTURES = {capture.key: capture for capture in own()}
SERVED = [
    CAPTURES[name]
    for name in (
        "openai/usage_cached",
        "openai/whole_text",
        "openai/whole_tools",
        "openai/cut_short",
        "openai/error_before",
        "openai/usage_reasoning",
    )
]
TIMES = ("gen_ai.response.time_to_first_chunk", "miiflow_llm.waited")


class Exported:
    """An exporter of each kind, and what they have as text."""

    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.meter_provider = MeterProvider([self.reader])

    def providers(self) -> dict[str, Any]:
        """What `instrument` takes."""
        return {"tracer_provider": self.tracer_provider, "meter_provider": self.meter_provider}

    def text(self) -> str:
        """Everything, with times and ports as words."""
        spans = "\n".join(line for span in self.spans.get_finished_spans() for line in span_lines(span))
        return f"{spans}\n\n" + "\n".join(sorted(metric_lines(self.reader))) + "\n"


def settled(attributes: Any) -> str:
    """Attributes in a fixed order, without what differs between runs."""
    found = dict(attributes or {})
    for name in TIMES:
        if name in found:
            assert 0 < found[name] < 30, name
            found[name] = "SECONDS"
    if "server.port" in found:
        found["server.port"] = "PORT"
    return msgspec.json.encode(dict(sorted(found.items()))).decode()


def span_lines(span: Any) -> list[str]:
    """A span in lines."""
    assert span.end_time >= span.start_time
    lines = [f"{span.kind.name} {span.name} {span.status.status_code.name} {settled(span.attributes)}"]
    return lines + [f"  {event.name} {settled(event.attributes)}" for event in span.events]


def metric_lines(reader: InMemoryMetricReader) -> list[str]:
    """Each point in a line; sums of times are not told."""
    data = reader.get_metrics_data()
    assert data is not None
    found = [
        metric for resource in data.resource_metrics for scope in resource.scope_metrics for metric in scope.metrics
    ]
    return [
        f"{metric.name} [{metric.unit}] count={point.count} sum={point.sum if metric.unit == '{token}' else 'SECONDS'} "
        f"buckets={len(point.explicit_bounds)} {settled(point.attributes)}"
        for metric in found
        for point in metric.data.data_points
    ]


def made(server: ReplayServer, name: str, **options: Any) -> LLMClient:
    """A client that is served one capture."""
    url = server.url_for("openai", name)
    return LLMClient.create("openai", CAPTURES[f"openai/{name}"].model, KEY, base_url=url, **options)


async def stream(client: LLMClient, **parameters: Any) -> None:
    """Read a stream to its end."""
    async with client, client.stream_chat("Hello", **parameters) as answer:
        async for _ in answer:
            pass


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["usage_cached", "usage_reasoning"])
async def test_a_stream(one_file: Any, name: str) -> None:
    """A stream is a span with its tokens, cached and reasoning ones too, and a point in each of three histograms."""
    exported = Exported()
    async with ReplayServer(SERVED) as server:
        client = made(server, name)
        instrument(client, **exported.providers())
        await stream(client, max_tokens=50)
    assert exported.text() == one_file


@pytest.mark.anyio
async def test_a_failure(one_file: Any) -> None:
    """Failures before and inside a stream have the error's type, on the span and on the duration."""
    exported = Exported()
    async with ReplayServer(SERVED) as server:
        for name in ("error_before", "cut_short"):
            client = made(server, name, max_retries=0)
            instrument(client, **exported.providers())
            with pytest.raises(MiiflowLLMError):
                await stream(client)
    assert exported.text() == one_file


@pytest.mark.anyio
async def test_a_retry(one_file: Any) -> None:
    """A retried call is one span over all attempts, with an event for each further one."""
    exported = Exported()
    async with ReplayServer(SERVED, fault=StatusFirst(503, times=1)) as server:
        async with made(server, "whole_text") as client:
            instrument(client, **exported.providers())
            await client.chat("Hello")
    assert exported.text() == one_file


@pytest.mark.anyio
async def test_leaving_early(one_file: Any) -> None:
    """A stream that the caller left is told as such, with no error status."""
    exported = Exported()
    async with ReplayServer(SERVED, cut="frames", pace=0.01) as server:
        async with made(server, "usage_cached") as client:
            instrument(client, **exported.providers())
            async with client.stream_chat("Hello") as answer:
                async for _ in answer:
                    break
    assert exported.text() == one_file


def test_content_only_when_asked(one_file: Any) -> None:
    """Messages are on the spans when asked for, in the conventions' form; else no word of them is anywhere."""
    asked, silent = Exported(), Exported()
    tool = {"name": "stripes", "description": "Counts stripes.", "parameters": {"type": "object", "properties": {}}}
    with serving(SERVED) as server:
        for exported, content in ((asked, True), (silent, False)):
            url = server.url_for("openai", "whole_tools")
            model = CAPTURES["openai/whole_tools"].model
            with SyncLLMClient.create("openai", model, KEY, base_url=url) as client:
                instrument(client, **exported.providers(), content=content)
                messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "zebra"}]
                client.chat(messages, tools=[tool])
    assert "zebra" not in silent.text()
    assert "stripes" not in silent.text()
    assert "messages" not in silent.text()
    assert KEY not in asked.text()
    assert asked.text() == one_file


@pytest.mark.anyio
async def test_taking_back() -> None:
    """What instrument returned takes it back; twice at once is refused, for it would count twice."""
    exported = Exported()
    async with ReplayServer(SERVED) as server:
        async with made(server, "whole_text") as client:
            take_back = instrument(client, **exported.providers())
            with pytest.raises(ConfigurationError, match="already"):
                instrument(client)
            take_back()
            await client.chat("Hello")
            assert not exported.spans.get_finished_spans()
            instrument(client, **exported.providers())
            await client.chat("Hello")
    assert len(exported.spans.get_finished_spans()) == 1


@pytest.mark.anyio
async def test_the_span_is_a_child_of_the_callers() -> None:
    """The span stands under the one that was current where the call was made."""
    exported = Exported()
    tracer = exported.tracer_provider.get_tracer("test")
    async with ReplayServer(SERVED) as server:
        async with made(server, "whole_text") as client:
            instrument(client, **exported.providers())
            with tracer.start_as_current_span("request") as parent:
                await client.chat("Hello")
    child = exported.spans.get_finished_spans()[0]
    assert child.parent is not None
    assert child.parent.span_id == parent.get_span_context().span_id
