"""What a table cannot say of an Anthropic request: families of models, the budget of thinking, marks of the cache."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ..core.exceptions import ConfigurationError
from ..core.messages import Block, DocumentBlock, ImageBlock, Message, TextBlock
from ..core.request import ChatRequest
from ..wire.template import choose
from ._effort import OFF, level

NEVER_THINKS = r"claude-(2|instant|3-(5|opus|sonnet|haiku))"
BY_BUDGET = r"claude-(3-7|(opus|sonnet|haiku)-4-(5|[01](?!\d)|\d{8}))|(?!claude)"
"""Models that think within a budget of tokens; so do, of those of other makers, the servers that speak this format."""

CLAUDE_4_6 = r"claude-(opus|sonnet)-4-6"
SAMPLES = rf"{NEVER_THINKS}|{BY_BUDGET}|{CLAUDE_4_6}"
NEVER_SAMPLES = rf"(?!{SAMPLES})"
"""A model named `claude` that no family knows is taken for the newest; so in all of these."""

MAY_STOP_THINKING = r"claude-(haiku-5-5|(opus|sonnet)-5(?!-\d)|opus-4-[78]|(opus|sonnet)-4-6)"
NEVER_FORCED = rf"(?!{SAMPLES}|{MAY_STOP_THINKING}|claude-(fable|mythos)-5(?!-\d))"

BEFORE_SCHEMAS = r"claude-(2|instant|3-|(opus|sonnet)-4-(0|\d{8}))"
"""Models without `output_config.format`: they follow a schema through a tool that they must call."""

MAX_TOKENS = {
    r"claude-(2|instant|3-(opus|sonnet|haiku))": 4096,
    r"claude-3-5": 8192,
    r"claude-(3-7|(opus|sonnet)-4-([01](?!\d)|\d{8}))": 16384,
    r"claude-(opus|sonnet|haiku)-4-5": 64000,
    r"claude-": 128000,
    "": 4096,
}
"""What `max_tokens` is where the caller says nothing: the most that the model takes, less where prompt and answer share
a small context."""

LEAST_BUDGET = 1024
BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32000}
"""Tokens that a level stands for in models that think within a budget."""

CACHE_MARKS = 4
"""The most marks of the cache that a request may have."""


def thinking_budget(request: ChatRequest) -> ChatRequest:
    """The request with `reasoning` as the budget in tokens, for models that think within one, and as `off` for 0.

    The budget is a part of `max_tokens`: a level takes half of that at most, and at least 1024 tokens.

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
    if isinstance(reasoning, int):
        budget = max(reasoning, LEAST_BUDGET)
    else:
        budget = max(min(BUDGETS[reasoning], most // 2), LEAST_BUDGET)
    if budget >= most:
        raise ConfigurationError(
            f"reasoning={reasoning!r} needs {budget} tokens of max_tokens={most} and leaves none for the answer: "
            "raise max_tokens, or lower reasoning"
        )
    return msgspec.structs.replace(request, reasoning=budget)


def cache_marks(request: ChatRequest) -> ChatRequest:
    """The request with its first mark of the cache and the last three, for more are refused.

    A mark covers all before it: the first is what other conversations share, the last what this one goes on from.
    """
    marked = [block for message in request.messages for block in _listed(message) if getattr(block, "cache", False)]
    if len(marked) <= CACHE_MARKS:
        return request
    spent = {id(block) for block in marked[1 : 1 - CACHE_MARKS]}
    messages = [_unmarked(message, spent) for message in request.messages]
    return msgspec.structs.replace(request, messages=messages)


def _listed(message: Message) -> list[Block]:
    return message.parts or (message.content if isinstance(message.content, list) else [])


def _unmarked(message: Message, spent: set[int]) -> Message:
    def plain(block: Block) -> Block:
        if id(block) in spent and isinstance(block, (TextBlock, ImageBlock, DocumentBlock)):
            return msgspec.structs.replace(block, cache=False)
        return block

    content: Any = message.content
    if isinstance(content, list):
        content = [plain(block) for block in content]
    return msgspec.structs.replace(message, content=content, parts=[plain(block) for block in message.parts])


def wire_id(identity: str) -> str:
    """The id of a call as this wire takes it: letters, digits, `_` and `-`; other makers use more."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", identity)
