"""Moonshot AI: the Kimi models over the OpenAI Chat format; their reasoning has to go back with calls."""

from ..core.messages import AudioBlock, DocumentBlock, ImageBlock, ReasoningBlock, ToolResult
from ..dialects.openai_chat import FUNCTION, OPENAI_CHAT, TEXT_RESULT, tools
from ..tables import (
    DOCUMENTS_AS_TEXT,
    NO_AUDIO,
    BaseUrlFrom,
    Provider,
    by_model,
    data_url,
    drop,
    effort,
    inside,
    is_on,
    joined,
    not_offered,
    take,
)

BY_LEVEL = r"kimi-k([3-9]|\d\d)"
BY_SWITCH = r"kimi-k2\.[56]"
ALWAYS = r"kimi-k2\.7|kimi-k2-thinking|kimi-thinking"
REASONS = rf"{BY_LEVEL}|{BY_SWITCH}|{ALWAYS}"

PROVIDER = Provider(
    name="moonshot",
    dialect=OPENAI_CHAT,
    base_url="https://api.moonshot.ai/v1",
    docs="https://platform.moonshot.ai/docs/api/chat",
    env=("MOONSHOT_API_KEY", "MOONSHOTAI_API_KEY"),
    base_url_env=(BaseUrlFrom("MOONSHOT_BASE_URL"), BaseUrlFrom("MOONSHOT_API_BASE")),
    embeddings=not_offered("Moonshot embeds no texts; use another provider for that"),
    example_model="kimi-k3",
    takes=("max_tokens", "penalties"),
    body={
        "tools": tools(FUNCTION, take("payload")),
        "reasoning_effort": by_model({BY_LEVEL: take("reasoning", through=effort("low", "high", "max"))}),
        "thinking": by_model(
            {BY_SWITCH: {"type": take("reasoning", through=is_on, values={True: "enabled", False: "disabled"})}}
        ),
    },
    # an answer with calls has to carry its reasoning; one from elsewhere has none to give
    message={
        "reasoning_content": by_model({REASONS: take("role", values={"assistant": " ", ...: None})}),
    },
    parts={
        ImageBlock: inside({"type": "image_url", "image_url": {"url": take("media", through=data_url)}}),
        DocumentBlock: DOCUMENTS_AS_TEXT,
        AudioBlock: NO_AUDIO,
        ReasoningBlock: joined("reasoning_content", take("text"), own=True),
        ToolResult: TEXT_RESULT,
    },
    drops=(
        drop(
            "temperature",
            models=REASONS,
            unless=("temperature", 1),
            reason="this model takes 1 only",
        ),
        drop(
            "tool_choice",
            unless={"tool_choice": ("auto", "none")},
            reason="a call cannot be forced here; pass 'auto', and ask for it in the prompt",
        ),
        drop(
            "reasoning",
            models=ALWAYS,
            reason="this model always reasons, and has no levels",
        ),
        drop(
            "reasoning",
            models=rf"(?!{REASONS})",
            unless={"reasoning": ("off", 0)},
            reason="this model does not reason; choose one that does, as kimi-k3",
        ),
    ),
)
