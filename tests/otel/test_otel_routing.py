"""A routed call as the in-memory exporters see it: one span, with a child for each attempt."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.trace import SpanKind

from miiflow_llm import LLMClient, Router, SyncLLMClient, SyncRouter
from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.otel import instrument
from miiflow_llm.replay import FakeError, ReplayServer, fake_pair, serving

from .test_otel import KEY, Exported

pytestmark = pytest.mark.anyio
DOWN = fake_pair("openai_chat", error=FakeError("overloaded", status=503))
FINE = fake_pair("openai_chat", text="It is salty.")


def client(server: ReplayServer, model: str, kind: Any = LLMClient) -> Any:
    """A client that is served by it."""
    return kind.create("openai", model, KEY, base_url=server.url_for("openai"))


def counted(exported: Exported, name: str) -> dict[tuple[Any, ...], int]:
    """A counter's values by target, why and outcome."""
    data = exported.reader.get_metrics_data()
    assert data is not None
    metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics if m.name == name]
    keys = ("miiflow_llm.target", "miiflow_llm.why", "miiflow_llm.outcome")
    return {
        tuple(dict(point.attributes).get(key) for key in keys): point.value  # type: ignore[union-attr]
        for m in metrics
        for point in m.data.data_points
    }


async def test_a_child_for_each_attempt() -> None:
    """The call's span has the usage and says who served; its children say why each was asked and what became of it."""
    exported = Exported()
    with serving(DOWN) as down, serving(FINE) as fine:
        async with client(down, "a") as a, client(fine, "b") as b:
            router = Router([a, b], name="main")
            take_back = instrument(router, **exported.providers())
            await router.chat("Why?")
            take_back()
            await router.chat("Why?")
    *children, parent = exported.spans.get_finished_spans()
    whole = dict(parent.attributes or {})
    assert (parent.kind, parent.parent) == (SpanKind.INTERNAL, None)
    assert (whole["miiflow_llm.route"], whole["miiflow_llm.target"]) == ("main", "openai/b")
    assert whole["gen_ai.usage.output_tokens"]
    assert [event.name for event in parent.events if event.name != "miiflow_llm.routed"] == ["miiflow_llm.moved"] * 2
    found = [dict(child.attributes or {}) for child in children]
    for child, facts in zip(children, found, strict=True):
        assert child.parent is not None
        assert child.parent.span_id == parent.context.span_id
        assert child.kind is SpanKind.CLIENT
        assert not [name for name in facts if name.startswith("gen_ai.usage")]
    assert [
        (one["miiflow_llm.why"], one["miiflow_llm.outcome"], one["http.response.status_code"]) for one in found
    ] == [
        ("first", "failed", 503),
        ("retry", "failed", 503),
        ("failover", "served", 200),
    ]
    assert [one.get("error.type") for one in found] == ["ServiceUnavailableError"] * 2 + [None]
    assert [one["gen_ai.request.model"] for one in found] == ["a", "a", "b"]
    assert counted(exported, "miiflow_llm.route.attempts") == {
        ("openai/a", "first", "failed"): 1,
        ("openai/a", "retry", "failed"): 1,
        ("openai/b", "failover", "served"): 1,
    }


async def test_leaving_early() -> None:
    """No span stays open: the attempt is cancelled, the call abandoned."""
    exported = Exported()
    with serving(FINE) as fine:
        async with client(fine, "a") as a:
            router = Router([a])
            instrument(router, **exported.providers())
            async with router.stream_chat("Why?") as stream:
                await anext(stream)
            with anyio.move_on_after(0):
                await router.chat("Why?")
    spans = exported.spans.get_finished_spans()
    found = [dict(span.attributes or {}) for span in spans]
    assert {one["miiflow_llm.outcome"] for one in found if "miiflow_llm.outcome" in one} == {"cancelled"}
    assert {one["error.type"] for span, one in zip(spans, found, strict=True) if span.parent is None} == {"abandoned"}


def test_in_threads() -> None:
    """A call without an answer: the error stands on the call, and on each attempt."""
    exported = Exported()
    with serving(DOWN) as down:
        with client(down, "a", SyncLLMClient) as a, client(down, "b", SyncLLMClient) as b:
            router = SyncRouter([a, b])
            instrument(router, **exported.providers())
            with pytest.raises(MiiflowLLMError) as caught:
                router.chat("Why?")
    *children, parent = exported.spans.get_finished_spans()
    assert len(children) == len(caught.value.attempts)
    assert {(span.attributes or {})["error.type"] for span in (*children, parent)} == {"ServiceUnavailableError"}
