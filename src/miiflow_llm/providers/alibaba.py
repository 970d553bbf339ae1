"""Alibaba Cloud Model Studio: the Qwen models over the OpenAI Chat format, with thinking by a budget."""

from ..core import exceptions as error
from ..core.messages import AudioBlock, DocumentBlock, ToolResult
from ..dialects.openai_chat import OPENAI_CHAT, TEXT_RESULT
from ..tables import (
    DOCUMENTS_AS_TEXT,
    BaseUrlFrom,
    Provider,
    but,
    by_model,
    drop,
    exact_budget,
    fault,
    inside,
    is_on,
    says_json,
    take,
)

IN_STREAMS = r"qwen3-[\d.]+b"
"""Open models, which think unless told not to, and in streams only."""

PROVIDER = Provider(
    name="alibaba",
    dialect=OPENAI_CHAT,
    base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    docs="https://www.alibabacloud.com/help/en/model-studio/use-qwen-by-calling-api",
    env=("DASHSCOPE_API_KEY", "ALIBABA_API_KEY"),
    base_url_env=(BaseUrlFrom("DASHSCOPE_BASE_URL"), BaseUrlFrom("DASHSCOPE_API_BASE")),
    example_model="qwen-plus",
    prepare=(says_json,),
    takes=("max_tokens", "top_k", "seed", "logprobs", "parallel_tool_calls"),
    body={
        "presence_penalty": take("presence_penalty"),
        "enable_thinking": by_model(
            {
                IN_STREAMS: take("reasoning", through=is_on, default=take("stream", values={True: None, False: False})),
                "": take("reasoning", through=is_on),
            }
        ),
        "thinking_budget": take("reasoning", through=exact_budget),
    },
    parts={
        DocumentBlock: DOCUMENTS_AS_TEXT,
        AudioBlock: inside(
            {"type": "input_audio", "input_audio": {"data": take("media.url"), "format": take("media.format")}}
        ),
        ToolResult: TEXT_RESULT,
    },
    errors=(
        fault(error.ContentFilterError, "data_inspection_failed", "DataInspectionFailed", stands_for=400),
        fault(error.QuotaExceededError, "Arrearage", stands_for=400),
        fault(error.RateLimitError, "limit_requests", "limit_burst_rate", "Throttling", stands_for=429),
    ),
    drops=(
        drop(
            "reasoning",
            models=IN_STREAMS,
            unless={"stream": (True,), "reasoning": ("off", 0)},
            reason="this model thinks in streams only; call stream_chat, or pass reasoning='off'",
        ),
        drop(
            "tool_choice",
            unless={"tool_choice": but("required")},
            reason="a call cannot be forced without naming it; pass a tool's name, or 'auto'",
        ),
        drop(
            "tool_choice",
            beside="reasoning",
            unless={"tool_choice": ("auto", "none"), "reasoning": ("off", 0)},
            reason="refused while the model thinks; pass reasoning='off', or use 'auto'",
        ),
    ),
)
