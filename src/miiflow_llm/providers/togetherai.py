"""Together AI: many open models over the OpenAI Chat format, each with its own way to reason."""

from ..core import exceptions as error
from ..core.messages import DocumentBlock, ImageBlock, ReasoningBlock, ToolResult
from ..dialects.openai_chat import OPENAI_CHAT
from ..tables import (
    BaseUrlFrom,
    Endpoint,
    Provider,
    ResponseHeaders,
    apart,
    by_model,
    drop,
    emit,
    fault,
    inside,
    joined,
    refused,
    take,
    when,
)
from ..tables.media_parts import text_or
from ..tables.reasoning import always_on, effort, is_on
from ._batches import TOGETHER

LOGPROBS = emit("logprobs", "logprobs")

PROVIDER = Provider(
    name="togetherai",
    dialect=OPENAI_CHAT,
    base_url="https://api.together.ai/v1",
    docs="https://docs.together.ai/reference/chat-completions",
    env=("TOGETHER_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHER_AI_TOKEN"),
    base_url_env=(
        BaseUrlFrom("TOGETHER_BASE_URL", "/v1"),
        BaseUrlFrom("TOGETHER_API_BASE"),
        BaseUrlFrom("TOGETHER_AI_API_BASE"),
    ),
    model_list=Endpoint("/models", "GET", items=".", value="id"),
    example_model="openai/gpt-oss-20b",
    batch=TOGETHER,
    takes=("max_tokens", "top_k", "seed", "penalties", "parallel_tool_calls"),
    body={
        "logprobs": take("top_logprobs", default=when("logprobs", 1)),
        "reasoning_effort": by_model(
            {
                "openai/gpt-oss": take("reasoning", through=effort("low", "medium", "high")),
                "deepseek-ai/DeepSeek-V4-Pro": take(
                    "reasoning",
                    values={"off": None, 0: None, ...: take("reasoning", through=effort("high", "max"))},
                ),
            }
        ),
        "reasoning": by_model(
            {
                "openai/gpt-oss": None,
                r"zai-org/GLM-5\.3": {"enabled": take("reasoning", through=always_on)},
                "": {"enabled": take("reasoning", through=is_on)},
            }
        ),
    },
    parts={
        ImageBlock: inside({"type": "image_url", "image_url": {"url": take("media.url")}}),
        DocumentBlock: text_or(refused("Together takes no documents; send their text, or pages as images")),
        ReasoningBlock: joined("reasoning_content", take("text"), own=True),
        ToolResult: apart({"role": "tool", "tool_call_id": take("id"), "content": take("text")}),
    },
    events={"logprobs": LOGPROBS},
    whole={"logprobs": LOGPROBS},
    errors=(
        fault(error.ContextLengthError, status=403, says="token|context|length"),
        fault(error.RateLimitError, "rate_limit", "dynamic_request_limited", "dynamic_token_limited", stands_for=429),
    ),
    drops=(
        drop(
            "tool_choice",
            models="openai/gpt-oss",
            unless={"tool_choice": ("auto", "none")},
            reason="gpt-oss fails here (HTTP 500) when made to call a tool; use 'auto'",
        ),
        drop(
            "tool_choice",
            models="deepseek-ai/DeepSeek-V4",
            unless={"tool_choice": ("auto", "none"), "reasoning": ("off", 0)},
            reason="refused while the model thinks; pass reasoning='off', or use 'auto'",
        ),
    ),
    response_headers=ResponseHeaders(
        request_id=("x-request-id", "cf-ray"),
        limits={
            "limit_requests": ("x-ratelimit-limit-requests", "x-ratelimit-limit"),
            "remaining_requests": ("x-ratelimit-remaining-requests", "x-ratelimit-remaining"),
            "reset_requests": ("x-ratelimit-reset-requests", "x-ratelimit-reset"),
            "limit_tokens": ("x-ratelimit-limit-tokens", "x-tokenlimit-limit"),
            "remaining_tokens": ("x-ratelimit-remaining-tokens", "x-tokenlimit-remaining"),
            "reset_tokens": ("x-ratelimit-reset-tokens",),
        },
    ),
)
