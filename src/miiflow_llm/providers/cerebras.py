"""Cerebras: the OpenAI Chat format at an address of its own; reasoning comes as `reasoning`."""

from ..core.messages import AudioBlock, DocumentBlock, ReasoningBlock, ToolResult
from ..dialects.openai_chat import OPENAI_CHAT, TEXT_RESULT
from ..tables import (
    DOCUMENTS_AS_TEXT,
    NO_AUDIO,
    BaseUrlFrom,
    Provider,
    by_model,
    drop,
    effort,
    joined,
    not_offered,
    take,
)

NO_EFFORT = r"llama|qwen-3-"

PROVIDER = Provider(
    name="cerebras",
    dialect=OPENAI_CHAT,
    base_url="https://api.cerebras.ai/v1",
    docs="https://inference-docs.cerebras.ai/api-reference/chat-completions",
    env=("CEREBRAS_API_KEY",),
    base_url_env=(BaseUrlFrom("CEREBRAS_BASE_URL", "/v1"),),
    embeddings=not_offered("Cerebras embeds no texts; use another provider for that"),
    example_model="gpt-oss-120b",
    takes=(
        "seed",
        "penalties",
        "logprobs",
        "strict_schema",
        "strict_tools",
        "parallel_tool_calls",
        "service_tier",
        "user",
    ),
    body={
        "reasoning_effort": by_model(
            {
                NO_EFFORT: None,
                "gpt-oss": take("reasoning", through=effort("low", "medium", "high")),
                r"kimi-k3|zai-glm-5\.3": take("reasoning", through=effort("low", "high", "max")),
                "": take("reasoning", through=effort("low", "medium", "high", off="none")),
            }
        )
    },
    parts={
        DocumentBlock: DOCUMENTS_AS_TEXT,
        AudioBlock: NO_AUDIO,
        ReasoningBlock: joined("reasoning", take("text"), own="model"),
        ToolResult: TEXT_RESULT,
    },
    drops=(
        drop(
            "reasoning",
            models=NO_EFFORT,
            unless={"reasoning": ("off", 0)},
            reason="this model has no levels; choose another, as gpt-oss-120b",
        ),
    ),
)
