"""Fireworks AI: many open models over the OpenAI Chat format; a budget of reasoning stays a number."""

from ..core.messages import AudioBlock, DocumentBlock, ReasoningBlock, ToolResult
from ..dialects.openai_chat import OPENAI_CHAT, TEXT_RESULT
from ..tables import DOCUMENTS_AS_TEXT, NO_AUDIO, BaseUrlFrom, Provider, effort, joined, take
from ._batches import FIREWORKS

PROVIDER = Provider(
    name="fireworks",
    dialect=OPENAI_CHAT,
    base_url="https://api.fireworks.ai/inference/v1",
    docs="https://docs.fireworks.ai/api-reference/post-chatcompletions",
    env=("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"),
    base_url_env=(BaseUrlFrom("FIREWORKS_BASE_URL", "/v1"), BaseUrlFrom("FIREWORKS_API_BASE")),
    example_model="accounts/fireworks/models/gpt-oss-20b",
    batch=FIREWORKS,
    takes=("top_k", "seed", "penalties", "logprobs", "parallel_tool_calls", "service_tier", "user", "metadata"),
    body={
        "reasoning_effort": take("reasoning", through=effort("low", "medium", "high", off="none", numbers=True)),
    },
    parts={
        DocumentBlock: DOCUMENTS_AS_TEXT,
        AudioBlock: NO_AUDIO,
        ReasoningBlock: joined("reasoning_content", take("text"), own=True),
        ToolResult: TEXT_RESULT,
    },
)
