"""The attributes of spans and metrics, in the names of the GenAI conventions."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from ..core.events import CallEvent, RouteEvent
from ..core.request import ChatRequest

PROVIDERS = {"bedrock": "aws.bedrock", "gemini": "gcp.gemini", "mistral": "mistral_ai", "xai": "x_ai"}
"""Our names where the conventions have another word; every other name is written as it is."""

_KEPT = ("temperature", "top_p", "top_k", "max_tokens", "seed", "frequency_penalty", "presence_penalty")
_USAGE = {
    "gen_ai.usage.input_tokens": "prompt_tokens",
    "gen_ai.usage.output_tokens": "completion_tokens",
    "gen_ai.usage.cache_read.input_tokens": "cache_read_tokens",
    "gen_ai.usage.cache_write.input_tokens": "cache_write_tokens",
    "gen_ai.usage.cache_creation.input_tokens": "cache_write_tokens",
    "gen_ai.usage.reasoning.output_tokens": "reasoning_tokens",
}

SCOPE = "miiflow_llm"
"""The name of the instrumentation scope, and of a call's span among an event's extensions."""

FIRST_OUTPUT = "miiflow_llm.first_output"
"""The key under which the seconds to the first output are kept in an event's extensions."""


def started(event: CallEvent) -> int:
    """When the call began, in nanoseconds since 1970."""
    return time.time_ns() - int(event.elapsed_ms * 1e6)


def common(event: CallEvent) -> dict[str, Any]:
    """What spans and metrics have alike."""
    address = urlsplit(event.plan.url)
    found = {
        "gen_ai.operation.name": event.operation,
        "gen_ai.provider.name": PROVIDERS.get(event.provider, event.provider),
        "gen_ai.request.model": event.model or None,
        "server.address": address.hostname,
        "server.port": address.port or (443 if address.scheme == "https" else 80),
    }
    if isinstance(event, RouteEvent):
        found["miiflow_llm.route"] = event.route
    return {name: value for name, value in found.items() if value is not None}


def settings(request: ChatRequest | None) -> dict[str, Any]:
    """The attributes of a request's parameters, those that the conventions have a name for."""
    if request is None:
        return {}
    found = {f"gen_ai.request.{name}": getattr(request, name) for name in _KEPT}
    if request.stream:
        found["gen_ai.request.stream"] = True
    if request.stop:
        found["gen_ai.request.stop_sequences"] = list(request.stop)
    if isinstance(request.reasoning, str):
        found["gen_ai.request.reasoning.level"] = request.reasoning
    if request.schema is not None or request.json_mode:
        found["gen_ai.output.type"] = "json"
    return {name: value for name, value in found.items() if value is not None}


def ending(event: CallEvent) -> dict[str, Any]:
    """How the call ended, for spans and metrics: the error's type, `abandoned` if the caller left."""
    found: dict[str, Any] = {}
    answer = event.response or event.embeddings
    if answer is not None and answer.model:
        found["gen_ai.response.model"] = answer.model
    if event.error is not None:
        found["error.type"] = type(event.error).__name__
    elif event.event == "abandoned":
        found["error.type"] = "abandoned"
    return found


def answered(event: CallEvent) -> dict[str, Any]:
    """The answer's facts, only for the span."""
    found: dict[str, Any] = {}
    if event.usage is not None:
        found = {name: getattr(event.usage, field) for name, field in _USAGE.items()}
    if event.response is not None:
        reason = event.response.finish_reason
        found["gen_ai.response.id"] = event.response.id
        found["gen_ai.response.finish_reasons"] = [reason] if reason else None
        found["miiflow_llm.target"] = event.response.served_by
    if event.cost is not None:  # not a convention yet (semantic-conventions-genai#443), so under a name of our own
        found["miiflow_llm.cost.amount"] = event.cost.amount
        found["miiflow_llm.cost.currency"] = event.cost.currency
        found["miiflow_llm.cost.source"] = event.cost.source
    if event.attempts:
        found["http.response.status_code"] = event.attempts[-1].status
    found["gen_ai.response.time_to_first_chunk"] = event.extensions.get(FIRST_OUTPUT)
    return {name: value for name, value in found.items() if value is not None}
