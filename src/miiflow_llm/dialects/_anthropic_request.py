"""What a table cannot say of an Anthropic request: the budget of thinking, ids of calls."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ..core.exceptions import ConfigurationError
from ..core.request import ChatRequest
from ..tables.media import Media
from ..tables.media_parts import document_text
from ..tables.reasoning import OFF, level
from ..tables.template import choose
from ._anthropic_models import BY_BUDGET, MAX_TOKENS, NEVER_THINKS

LEAST_BUDGET = 1024
BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32000}
"""Tokens that a level stands for in models that think within a budget."""


def thinking_budget(request: ChatRequest) -> ChatRequest:
    """The request with `reasoning` as a budget in tokens, for models that think within one; 0 becomes `off`.

    The budget is a part of `max_tokens`: a level takes half of that at most. Claude's is at least 1024 tokens; other
    makers' models have no least, and without `max_tokens` theirs leaves room for an answer after the thinking.

    Raises:
        ConfigurationError: `max_tokens` leaves no room for the thinking, or for an answer after it.
    """
    reasoning = request.reasoning
    if reasoning is None:
        return request
    if level(reasoning) == OFF:
        return msgspec.structs.replace(request, reasoning=OFF)
    if re.match(NEVER_THINKS, request.model) or not re.match(BY_BUDGET, request.model):
        return request
    most = request.max_tokens or choose(MAX_TOKENS, request.model)
    least = LEAST_BUDGET if re.match("claude", request.model) else 1
    budget = max(reasoning if isinstance(reasoning, int) else min(BUDGETS[reasoning], most // 2), least)
    if least == 1 and request.max_tokens is None:
        return msgspec.structs.replace(request, reasoning=budget, max_tokens=max(most, budget + most // 2))
    if budget >= most:
        raise ConfigurationError(
            f"reasoning={reasoning!r} needs {budget} tokens of max_tokens={most} and leaves none for the answer: "
            "raise max_tokens, or lower reasoning"
        )
    return msgspec.structs.replace(request, reasoning=budget)


def anthropic_source(media: Media) -> dict[str, Any]:
    """A `source`: by URL, as base64, or as text, which is all plain to this wire."""
    if media.link:
        return {"type": "url", "url": media.link}
    if (media.type or "").startswith("text/"):
        return {"type": "text", "media_type": "text/plain", "data": document_text(media)}
    return {"type": "base64", "media_type": media.type, "data": media.data}
