"""OpenAI's model families: which efforts each takes, and which parameters it refuses, whichever format is spoken.

Patterns are tried in order against the start of the model's name; a model that none knows is taken for a new one that
reasons and may be asked not to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..dialects.openai_responses import LOGPROBS, SUMMARY
from ..tables import ByModel, Drop, Structured, Take, at_most, by_model, drop, take
from ..tables.reasoning import effort

UNREASONING = r"(ft:)?(gpt-[34]|chatgpt|gpt-5-chat|gpt-5-search|gpt-audio|gpt-realtime)"
REASONING = r"(ft:)?(o\d|codex|computer-use|gpt-(5(?!-chat|-search)|[6-9]))"
ALWAYS = (
    r"o\d|codex|gpt-5(-\d|-mini|-nano|-pro|-codex|$)|gpt-5\.\d-(chat|pro)|gpt-5\.\d.*-codex|"
    r"gpt-6(-astra|\.1-sol|\.2)"
)
"""Reasons whatever is asked."""

UNLESS_OFF = r"gpt-5\.[56]|gpt-6-(sol|luna)|gpt-6\.1-terra"
"""Reasons unless asked not to."""

IF_ASKED = r"gpt-5\.[1-4](?!.*(chat|pro|codex))"
"""Reasons only when asked to."""

RESPONSES_ONLY = r".*(-pro(-|$)|codex|deep-research|computer-use)"
"""What Chat Completions does not serve."""

SEARCHING = r".*search-(preview|api)"
OFF: Mapping[str, tuple[Any, ...]] = {"reasoning": ("off", 0)}
NEVER: Mapping[str, tuple[Any, ...]] = {}


def efforts(*more: str) -> ByModel:
    """The effort for the model's family; `more` are levels above `xhigh` that the newest take here."""
    return by_model(
        {
            UNREASONING: None,
            r"o\d": _nearest("low", "medium", "high"),
            r"gpt-5-pro": _nearest("high"),
            r"gpt-5\.[123]-chat": _nearest("medium"),
            r"gpt-5-codex|gpt-5\.1-codex(?!-max)|codex": _nearest("low", "medium", "high"),
            r"gpt-5(-\d|-mini|-nano|$)": _nearest("minimal", "low", "medium", "high"),
            r"gpt-5\.\d.*-codex": _nearest("low", "medium", "high", "xhigh"),
            r"gpt-5\.\d-pro": _nearest("medium", "high", "xhigh"),
            r"gpt-5\.1": _nearest("low", "medium", "high", off="none"),
            r"gpt-5\.[2-5]": _nearest("low", "medium", "high", "xhigh", off="none"),
            r"gpt-6(-astra|\.1-sol|\.2)|.*-pro": _nearest("low", "medium", "high", "xhigh", *more),
            "": _nearest("low", "medium", "high", "xhigh", *more, off="none"),
        }
    )


def _nearest(*levels: str, off: str | None = None) -> Take:
    return take("reasoning", through=effort(*levels, off=off))


CHAT_TAKES = (
    "seed",
    "penalties",
    "logprobs",
    "strict_schema",
    "hosted_tools",
    "parallel_tool_calls",
    "verbosity",
    "service_tier",
    "metadata",
)
RESPONSES_TAKES = (
    "strict_schema",
    "strict_tools",
    "logprobs",
    "parallel_tool_calls",
    "verbosity",
    "service_tier",
    "user",
    "metadata",
)
"""The bundles that OpenAI's own servers take, in each of its formats."""

RESPONSES_BODY: Mapping[str, Any] = {
    "include": [by_model({REASONING: "reasoning.encrypted_content"}), LOGPROBS],
    "reasoning": {"effort": efforts("max"), "summary": SUMMARY},
    "truncation": by_model({"computer-use": "auto"}),
}
"""What of a Responses body depends on the family."""


def _sampling(
    models: str, reason: str, lift: Mapping[str, tuple[Any, ...]] = NEVER, beside: str = ""
) -> tuple[Drop, ...]:
    """Sampling is refused, except for the default of 1."""

    def row(*names: str, **more: tuple[Any, ...]) -> Drop:
        return drop(*names, models=models, reason=reason, beside=beside, unless={**lift, **more})

    return row("temperature", temperature=(1,)), row("top_p", top_p=(1,)), row("logprobs", "top_logprobs")


DROPS: tuple[Drop, ...] = (
    drop("reasoning", models=UNREASONING, unless=OFF, reason="this model does not reason; choose one that does"),
    *_sampling(ALWAYS, "this model always reasons, and takes no sampling parameters then; steer it in the prompt"),
    *_sampling(UNLESS_OFF, "refused while the model reasons; pass reasoning='off'", OFF),
    *_sampling(IF_ASKED, "refused while the model reasons; leave reasoning out", OFF, beside="reasoning"),
    drop(
        "stop",
        "presence_penalty",
        "frequency_penalty",
        models=REASONING,
        reason="OpenAI's reasoning models refuse it; say in the prompt what is wanted",
    ),
    drop("tools", "tool_choice", "parallel_tool_calls", models="gpt-5-chat", reason="this model calls no tools"),
    drop(
        "verbosity",
        models=rf"{UNREASONING}|o\d",
        unless=("verbosity", "medium"),
        reason="models before gpt-5 take 'medium' only",
    ),
    drop("parallel_tool_calls", models=r"o\d", reason="this model makes one call at a time"),
)

CHAT_DROPS: tuple[Drop, ...] = (
    *DROPS,
    drop("stop", unless={"stop": at_most(4)}, reason="four stop words are taken at most; leave some out"),
    drop("top_logprobs", models=REASONING, reason="refused by reasoning models in Chat Completions"),
    drop(
        "metadata",
        unless={"extra_body.store": (True,)},
        reason="Chat Completions keeps it only with answers that are stored; pass extra_body={'store': True} too",
    ),
    drop(
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        models=r"gpt-5\.6",
        unless=OFF,
        reason="Chat Completions has no tools beside this model's reasoning; use dialect='openai_responses', or "
        "reasoning='off'",
    ),
    drop(
        "temperature",
        "top_p",
        "stop",
        "presence_penalty",
        "frequency_penalty",
        "reasoning",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        models=SEARCHING,
        reason="search models refuse it; use another model",
    ),
)

STRUCTURED: Mapping[str, Structured] = {
    "gpt-5-chat": "prompt",
    r"(ft:)?(gpt-3|gpt-4(-(?!4)|$)|gpt-4o-2024-05)": "tool",
}
"""Models from before JSON Schema answers."""
