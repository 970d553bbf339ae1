"""Groq: the OpenAI Chat format, with usage also under `x_groq` and errors that end a stream early."""

from ..core import exceptions as error
from ..core.messages import AudioBlock, DocumentBlock, ReasoningBlock, ToolResult
from ..dialects.openai_chat import OPENAI_CHAT
from ..tables import (
    BaseUrlFrom,
    Provider,
    apart,
    at_most,
    by_model,
    const,
    drop,
    emit,
    fault,
    joined,
    not_offered,
    refused,
    says_json,
    take,
)
from ..tables.media_parts import text_or
from ..tables.reasoning import effort
from ._batches import GROQ

NEVER_REASONS = "meta-llama/|llama|allam|moonshotai/|groq/"

PROVIDER = Provider(
    name="groq",
    dialect=OPENAI_CHAT,
    base_url="https://api.groq.com/openai/v1",
    docs="https://console.groq.com/docs/api-reference",
    env=("GROQ_API_KEY",),
    base_url_env=(BaseUrlFrom("GROQ_BASE_URL", "/openai/v1"), BaseUrlFrom("GROQ_API_BASE")),
    embeddings=not_offered("Groq embeds no texts; use another provider for that"),
    example_model="openai/gpt-oss-120b",
    batch=GROQ,
    prepare=(says_json,),
    takes=("seed", "strict_schema", "hosted_tools", "parallel_tool_calls", "service_tier", "user"),
    body={
        "reasoning_effort": by_model(
            {
                NEVER_REASONS: None,
                "openai/gpt-oss": take("reasoning", through=effort("low", "medium", "high")),
                r"qwen/qwen3(-32b|\.6)": take("reasoning", through=effort("medium", off="none", medium="default")),
                "": take("reasoning", through=effort("low", "medium", "high", off="none")),
            }
        ),
        "reasoning_format": by_model({"qwen/": "parsed"}),
    },
    parts={
        DocumentBlock: text_or(refused("Groq takes no documents; send their text")),
        AudioBlock: refused("Groq takes no audio in a chat; send a transcript as text"),
        ReasoningBlock: joined("reasoning", take("text"), own="model"),
        ToolResult: apart({"role": "tool", "tool_call_id": take("id"), "content": take("text")}),
    },
    more_events=(
        emit("meta", request_id="x_groq.id", row="groq_request"),
        emit(
            "usage",
            when="x_groq.usage",
            row="groq_usage",
            prompt="x_groq.usage.prompt_tokens",
            completion="x_groq.usage.completion_tokens",
            total="x_groq.usage.total_tokens",
        ),
        emit("failure", message="x_groq.error", type=const("server_error"), row="groq_error"),
    ),
    more_whole=(emit("meta", request_id="x_groq.id", row="groq_request"),),
    errors=(
        fault(error.ServiceUnavailableError, status=498, retry=True),
        fault(error.InvalidRequestError, status=413),
        fault(error.InvalidRequestError, "tool_use_failed", "json_validate_failed", stands_for=400, retry=True),
        fault(error.ModelNotFoundError, "model_decommissioned"),
    ),
    drops=(
        drop("stop", unless={"stop": at_most(4)}, reason="Groq takes four stop words at most; leave some out"),
        drop(
            "logprobs",
            "top_logprobs",
            "presence_penalty",
            "frequency_penalty",
            reason="Groq does not support it; steer with temperature or top_p",
        ),
        drop(
            "reasoning",
            models=NEVER_REASONS,
            unless={"reasoning": ("off", 0)},
            reason="this model does not reason; choose one that does, as openai/gpt-oss-120b",
        ),
        drop(
            "schema",
            "json_mode",
            beside="tools",
            reason="Groq refuses JSON output beside tools; make two calls, or a tool of the answer's form",
        ),
    ),
    structured={r"openai/gpt-oss|moonshotai/kimi-k2|meta-llama/llama-4": "native", "": "prompt"},
)
