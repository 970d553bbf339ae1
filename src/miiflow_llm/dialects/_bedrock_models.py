"""The makers whose models Bedrock serves, by the names that it gives them, and how each family differs.

A name is `maker.model`, after a region's prefix (`us.`, `global.`) or at the end of an ARN. Of a profile of one's own
the name says nothing: such a model is asked for nothing but what all take.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..tables import Continuation, Drop, Structured, drop, effort
from . import _anthropic_models as anthropic

CLAUDE = r".*\banthropic\.(?=claude)"
NOVA = r".*\bamazon\.nova"
NOVA_2 = r".*\bamazon\.nova-2"
GPT_OSS = r".*\bopenai\.gpt-oss"
MISTRAL = r".*\bmistral\."
NEVER_REASONS = r".*\b(amazon\.(nova-(?!2)|titan)|meta\.|ai21\.|cohere\.)"
FOLLOW_SCHEMAS = r".*\b(openai|qwen|deepseek|mistral|moonshotai?|minimax|google|nvidia|zai|xai)\."
NEVER_CACHES = rf"{FOLLOW_SCHEMAS}|.*\b(meta|ai21|cohere|writer)\."


def of_claude(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Anthropic's choices by a model's name, for the names that its models have here."""
    return {_here(pattern): choice for pattern, choice in choices.items()}


def _here(pattern: str) -> str:
    return rf"{CLAUDE}(?:{pattern})"


def _claudes(row: Drop) -> Drop:
    return msgspec.structs.replace(row, models=_here(row.models))


_nova_effort = effort("low", "medium", "high", off="off")


def _below_high(reasoning: Any) -> bool:
    return bool(_nova_effort(reasoning) != "high")


STRUCTURED: dict[str, Structured] = {
    _here(anthropic.BEFORE_SCHEMAS): "tool",
    CLAUDE: "native",
    NOVA: "tool",
    FOLLOW_SCHEMAS: "native",
    "": "prompt",
}

CONTINUES: dict[str, Continuation] = {
    **{_here(pattern): row for pattern, row in anthropic.CONTINUES.items() if pattern},
    "": Continuation("which of Bedrock's models go on with an answer that was begun is not documented"),
}

DROPS = (
    *(_claudes(row) for row in anthropic.DROPS if "json_mode" not in row.parameters),
    drop("json_mode", reason="there is no mode for JSON without a schema; pass a schema"),
    drop(
        "top_k",
        models=rf"(?!{CLAUDE}|{NOVA})",
        reason="where this model takes it is not known here; say it in extra_body, in additionalModelRequestFields",
    ),
    drop(
        "temperature",
        "top_p",
        "top_k",
        models=NOVA_2,
        beside="reasoning",
        unless={"reasoning": _below_high},
        reason="this model takes it with low and medium reasoning only",
    ),
    drop("reasoning", models=NEVER_REASONS, unless={"reasoning": ("off", 0)}, reason="this model does not reason"),
    drop(
        "reasoning",
        models=rf"(?!{CLAUDE}|{NOVA_2}|{GPT_OSS}|{NEVER_REASONS})",
        reason="how this model is asked to reason is not known here; say it in extra_body, in "
        "additionalModelRequestFields",
    ),
)
"""What a family refuses, and what works instead."""
