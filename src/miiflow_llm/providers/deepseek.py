"""DeepSeek: the OpenAI Chat format with thinking that is switched on and off, and has to be sent back with tools."""

from ..core import exceptions as error
from ..core.messages import AudioBlock, DocumentBlock, ReasoningBlock, ToolResult
from ..dialects._effort import effort, is_on
from ..dialects.openai_chat import OPENAI_CHAT
from ..wire.table import BaseUrlFrom, Hints, Provider, apart, drop, fault, inside, joined, refused, take, when

PROVIDER = Provider(
    name="deepseek",
    dialect=OPENAI_CHAT,
    base_url="https://api.deepseek.com",
    docs="https://api-docs.deepseek.com/api/create-chat-completion",
    env=("DEEPSEEK_API_KEY",),
    base_url_env=(BaseUrlFrom("DEEPSEEK_BASE_URL"), BaseUrlFrom("DEEPSEEK_API_BASE")),
    example_model="deepseek-flash",
    body={
        "max_completion_tokens": None,
        "max_tokens": take("max_tokens"),
        "thinking": {"type": take("reasoning", through=is_on, values={True: "enabled", False: "disabled"})},
        "reasoning_effort": take(
            "reasoning",
            values={"off": None, 0: None, ...: take("reasoning", through=effort("low", "high", "max", xhigh="high"))},
        ),
        "response_format": when("json_mode", {"type": "json_object"}),
        "user": None,
        "user_id": take("user"),
    },
    # with tools every answer has to carry its thinking; an answer from elsewhere has none to give
    message={"reasoning_content": take("role", values={"assistant": when("tools", ""), ...: None})},
    parts={
        DocumentBlock: inside({"type": "file", "filename": take("filename"), "file_data": take("document_url")}),
        AudioBlock: refused("DeepSeek takes no audio; send a transcript as text"),
        ReasoningBlock: joined("reasoning_content", take("text"), own=True),
        ToolResult: apart({"role": "tool", "tool_call_id": take("id"), "content": take("text")}),
    },
    finish={"insufficient_system_resource": "error"},
    errors=(
        fault(
            error.ServiceUnavailableError, "insufficient_system_resource", "service_unavailable_error", stands_for=503
        ),
        fault(error.ModelNotFoundError, status=400, says="supported API model names"),
    ),
    drops=(
        drop(
            "seed",
            "presence_penalty",
            "frequency_penalty",
            "parallel_tool_calls",
            "service_tier",
            "metadata",
            reason="DeepSeek takes it and does nothing",
        ),
        drop(
            "tool_choice",
            models="(?!deepseek-chat)",
            unless={"tool_choice": ("auto", "none"), "reasoning": ("off", 0)},
            reason="refused while the model thinks; pass reasoning='off', or use 'auto'",
        ),
    ),
    structured={"": "prompt"},
    hints=Hints(request_id=("x-ds-trace-id", "x-request-id")),
)
