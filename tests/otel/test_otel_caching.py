"""What a cache answered, as the in-memory exporters see it."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

from miiflow_llm import LLMClient
from miiflow_llm.caching import Cache
from miiflow_llm.otel import instrument
from miiflow_llm.replay.fake import fake_pair
from miiflow_llm.replay.server import ReplayServer

from .test_otel import KEY, Exported

pytestmark = pytest.mark.anyio


def counted(exported: Exported, name: str) -> dict[str, Any]:
    """A counter's values by how the cache answered."""
    data = exported.reader.get_metrics_data()
    assert data is not None
    metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics if m.name == name]
    return {str(point.attributes["miiflow_llm.cache"]): point.value for m in metrics for point in m.data.data_points}


async def test_a_hit_is_a_span_of_its_own_and_no_latency() -> None:
    """The call is a span with its usage; the hit one without, and without a point among the durations."""
    exported = Exported()
    async with ReplayServer(fake_pair("openai_chat", text="Salt.")) as server:
        ours = LLMClient.create("openai", "m", base_url=server.url_for("openai"), api_key=KEY)
        async with Cache(ours) as cache:
            take_back = instrument(cache, **exported.providers())
            for _ in range(3):
                await cache.chat("Why?", temperature=0)
            take_back()
            await cache.chat("Why?", temperature=0)
    call, *hits = exported.spans.get_finished_spans()
    assert "miiflow_llm.cache" not in (call.attributes or {})
    assert len(hits) == 2
    for hit in hits:
        found = dict(hit.attributes or {})
        assert found["miiflow_llm.cache"] == "hit"
        assert found["gen_ai.response.finish_reasons"] == ("stop",)
        assert not [name for name in found if name.startswith("gen_ai.usage")]
        assert hit.name == call.name
    assert counted(exported, "miiflow_llm.cache.answers") == {"hit": 2, "stored": 1}
    assert counted(exported, "miiflow_llm.cache.saved_tokens")["hit"] > 0
    data = exported.reader.get_metrics_data()
    assert data is not None
    durations = [
        point.count
        for r in data.resource_metrics
        for s in r.scope_metrics
        for m in s.metrics
        if m.name == "gen_ai.client.operation.duration"
        for point in m.data.data_points
    ]
    assert durations == [1]
    assert KEY not in str([span.attributes for span in exported.spans.get_finished_spans()])
