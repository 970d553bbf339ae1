"""Families of Claude: what each takes, refuses and needs (as documented in November 2026).

The patterns match the start of a model's name; a name that says `claude` and no known family is taken for the newest.
"""

from __future__ import annotations

from ..tables import Continuation, Structured, at_least, by_model, drop, no_blanks, take, when
from ..tables.reasoning import effort

NEVER_THINKS = r"claude-(2|instant|3-(5|opus|sonnet|haiku))"
BY_BUDGET = r"claude-(3-7|(opus|sonnet|haiku)-4-(5|[01](?!\d)|\d{8}))|(?!claude)"
"""Models that think within a budget of tokens; so do, of those of other makers, the servers that speak this format."""

CLAUDE_4_6 = r"claude-(opus|sonnet)-4-6"
SAMPLES = rf"{NEVER_THINKS}|{BY_BUDGET}|{CLAUDE_4_6}"
NEVER_SAMPLES = rf"(?!{SAMPLES})"

MAY_STOP_THINKING = r"claude-(haiku-5-5|(opus|sonnet)-5(?!-\d)|opus-4-[78]|(opus|sonnet)-4-6)"
NEVER_FORCED = rf"(?!{SAMPLES}|{MAY_STOP_THINKING}|claude-(fable|mythos)-5(?!-\d))"

ONE_SAMPLER = r"claude-(opus-4-[156]|sonnet-4-[56]|haiku-4-5)(?!\d)"
"""Models that take temperature or top_p, not both."""

NEVER_PREFILLED = rf"(?!{NEVER_THINKS}|{BY_BUDGET})"
"""Models that do not go on from an assistant's turn: all from Claude 4.6 on."""

CONTINUES = {
    r"claude-(2|instant|3-|(opus|sonnet|haiku)-4-(5|[01](?!\d)|\d{8}))": Continuation(strips=True, thinks=False),
    "claude": Continuation("Claude from 4.6 on answers 400 if the last message is the model's"),
    "": Continuation("whether it goes on with an answer that was begun is not known"),
}
"""Going on with an answer that another model began; what is known of makers beside Anthropic is too little."""

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
"""What `max_tokens` is if the caller says nothing: the most that the model takes, less if prompt and answer share a
small context."""

STRUCTURED: dict[str, Structured] = {BEFORE_SCHEMAS: "tool", "claude": "native", "": "tool"}

ADAPTIVE = {"type": "adaptive", "display": "summarized"}
"""Newer models leave the words of their thinking out unless asked to show them."""

THINKING = by_model(
    {
        NEVER_THINKS: None,
        BY_BUDGET: take(
            "reasoning",
            values={"off": {"type": "disabled"}, ...: {"type": "enabled", "budget_tokens": take("reasoning")}},
        ),
        MAY_STOP_THINKING: take("reasoning", values={"off": {"type": "disabled"}, ...: ADAPTIVE}),
        "": take("reasoning", values={...: ADAPTIVE}),
    }
)

LEVELS = ("low", "medium", "high", "xhigh", "max")

EFFORT = by_model(
    {
        rf"{NEVER_THINKS}|{BY_BUDGET}": None,
        CLAUDE_4_6: take(
            "reasoning",
            values={"off": None, ...: take("reasoning", through=effort("low", "medium", "high", "max"))},
        ),
        MAY_STOP_THINKING: take("reasoning", values={"off": None, ...: take("reasoning", through=effort(*LEVELS))}),
        "": take("reasoning", through=effort(*LEVELS)),
    }
)

SIGNED = by_model(
    {
        "claude": when("signature", {"type": "thinking", "thinking": take("text"), "signature": take("signature")}),
        "": {"type": "thinking", "thinking": take("text"), "signature": take("signature", default="")},
    }
)
"""Claude refuses thinking without its signature; other makers' models send none, and want theirs back all the same."""

DROPS = (
    drop(
        "stop",
        unless={"stop": no_blanks()},
        reason="a stop word of white space only is refused; pass words with letters in them",
    ),
    drop(
        "temperature",
        models=NEVER_SAMPLES,
        unless=("temperature", 1),
        reason="this model refuses sampling parameters; steer it in the prompt",
    ),
    drop(
        "top_p",
        models=NEVER_SAMPLES,
        unless={"top_p": at_least(0.99)},
        reason="this model refuses sampling parameters; steer it in the prompt",
    ),
    drop(
        "top_k",
        models=NEVER_SAMPLES,
        reason="this model refuses sampling parameters; steer it in the prompt",
    ),
    drop(
        "temperature",
        beside="reasoning",
        unless={"reasoning": ("off",), "temperature": (1,)},
        reason="it is refused while the model thinks; leave it out, or pass reasoning='off'",
    ),
    drop(
        "top_k",
        beside="reasoning",
        unless=("reasoning", "off"),
        reason="it is refused while the model thinks; leave it out, or pass reasoning='off'",
    ),
    drop(
        "top_p",
        models=ONE_SAMPLER,
        beside="temperature",
        reason="this model takes temperature or top_p, not both; leave one out",
    ),
    drop(
        "top_p",
        beside="reasoning",
        unless={"reasoning": ("off",), "top_p": at_least(0.95)},
        reason="below 0.95 it is refused while the model thinks; leave it out, or pass reasoning='off'",
    ),
    drop("schema", beside="citations", reason="a schema is refused beside documents with citations"),
    drop(
        models=NEVER_PREFILLED,
        beside="prefill",
        reason="this model does not go on from an assistant's turn; end with a user message",
    ),
    drop("json_mode", reason="there is no mode for JSON without a schema; pass a schema"),
    drop("reasoning", models=NEVER_THINKS, unless=("reasoning", "off"), reason="this model does not think"),
    drop(
        "tool_choice",
        models=NEVER_FORCED,
        unless={"tool_choice": ("auto", "none")},
        reason="this model cannot be forced to call a tool; pass tool_choice='auto' and ask for it in the prompt",
    ),
    drop(
        "tool_choice",
        models=BY_BUDGET,
        beside="reasoning",
        unless={"tool_choice": ("auto", "none"), "reasoning": ("off",)},
        reason="a tool cannot be forced while the model thinks; pass tool_choice='auto', or reasoning='off'",
    ),
)
"""What a family refuses, and what works instead."""
