"""DeepSeek: the OpenAI Chat format with thinking that is switched on and off, and has to be sent back with tools."""

import msgspec

from ..core import exceptions as error
from ..core.messages import (
    AudioBlock,
    DocumentBlock,
    ImageBlock,
    Message,
    ReasoningBlock,
    TextBlock,
    ToolCall,
    ToolResult,
)
from ..core.request import ChatRequest
from ..dialects.openai_chat import OPENAI_CHAT
from ..dialects.openai_responses import OPENAI_RESPONSES, SAID, TEXT
from ..tables import (
    Also,
    BaseUrlFrom,
    Continuation,
    Provider,
    ResponseHeaders,
    Rows,
    apart,
    by_role,
    drop,
    fault,
    inside,
    joined,
    not_offered,
    refused,
    says_json,
    take,
    when,
)
from ..tables.media_parts import text_or
from ..tables.reasoning import effort, is_on

EFFORT = effort("low", "high", "max", xhigh="high")


def calls_last(request: ChatRequest) -> ChatRequest:
    """The request with the calls of each answer after all else in it: the server takes no other order."""

    def ordered(message: Message) -> Message:
        blocks = message.blocks()
        calls = [block for block in blocks if isinstance(block, ToolCall)]
        if message.role != "assistant" or blocks[len(blocks) - len(calls) :] == calls:
            return message
        return msgspec.structs.replace(
            message, parts=[*(block for block in blocks if not isinstance(block, ToolCall)), *calls]
        )

    return msgspec.structs.replace(request, messages=[ordered(message) for message in request.messages])


PROVIDER = Provider(
    name="deepseek",
    dialect=OPENAI_CHAT,
    base_url="https://api.deepseek.com",
    docs="https://api-docs.deepseek.com/api/create-chat-completion",
    env=("DEEPSEEK_API_KEY",),
    base_url_env=(BaseUrlFrom("DEEPSEEK_BASE_URL"), BaseUrlFrom("DEEPSEEK_API_BASE")),
    example_model="deepseek-flash",
    shared=Rows(
        prepare=(says_json,),
        finish={"insufficient_system_resource": "error"},
        errors=(
            fault(
                error.ServiceUnavailableError,
                "insufficient_system_resource",
                "service_unavailable_error",
                stands_for=503,
            ),
            fault(error.ModelNotFoundError, status=400, says="supported API model names"),
        ),
        response_headers=ResponseHeaders(request_id=("x-ds-trace-id", "x-request-id")),
        embeddings=not_offered("DeepSeek embeds no texts; use another provider for that"),
    ),
    takes=("max_tokens", "logprobs"),
    body={
        "thinking": {"type": take("reasoning", through=is_on, values={True: "enabled", False: "disabled"})},
        "reasoning_effort": take(
            "reasoning",
            values={"off": None, 0: None, ...: take("reasoning", through=EFFORT)},
        ),
        "response_format": when("json_mode", {"type": "json_object"}),
        "user_id": take("user"),
    },
    media={ImageBlock: ("image/jpeg", "image/png", "image/gif", "image/webp")},
    # with tools every answer has to carry its thinking; an answer from elsewhere has none to give
    message={
        "reasoning_content": take("role", values={"assistant": when("tools", ""), ...: None}),
        # an assistant's turn at the end is refused unless it is marked as the beginning of the answer
        "prefix": take("role", values={"assistant": when("last", True), ...: None}),
    },
    continues={"": Continuation(base_url="https://api.deepseek.com/beta")},
    parts={
        DocumentBlock: text_or(
            inside(
                when(
                    "file_id",
                    {"type": "file", "file_id": take("file_id")},
                    {"type": "file", "filename": take("filename"), "file_data": take("media.url")},
                )
            )
        ),
        AudioBlock: refused("DeepSeek takes no audio; send a transcript as text"),
        ReasoningBlock: joined("reasoning_content", take("text"), own=True),
        ToolResult: apart({"role": "tool", "tool_call_id": take("id"), "content": take("text")}),
    },
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
            models="deepseek-(v4-pro|chat|reasoner)",
            beside="images",
            reason="this model sees no images; use deepseek-flash",
        ),
        drop(
            "tool_choice",
            models="(?!deepseek-chat)",
            unless={"tool_choice": ("auto", "none"), "reasoning": ("off", 0)},
            reason="refused while the model thinks; pass reasoning='off', or use 'auto'",
        ),
        drop(
            "tool_choice",
            models="deepseek-chat",
            beside="reasoning",
            unless={"tool_choice": ("auto", "none"), "reasoning": ("off", 0)},
            reason="refused while the model thinks; leave reasoning out, or use 'auto'",
        ),
    ),
    structured={"": "prompt"},
    also=(
        Also(
            dialect=OPENAI_RESPONSES,
            prepare=(calls_last,),
            takes=("strict_schema",),
            body={"reasoning": {"effort": take("reasoning", through=EFFORT)}},
            parts={
                TextBlock: by_role(system=TEXT, user=TEXT, tool=TEXT, assistant=apart(SAID.otherwise)),
                DocumentBlock: text_or(refused("DeepSeek takes no documents here; send their text"), "input_text"),
                AudioBlock: refused("DeepSeek takes no audio; send a transcript as text"),
                ReasoningBlock: apart(
                    {
                        "type": "reasoning",
                        "id": take("id"),
                        "summary": [],
                        "content": when("text", [{"type": "reasoning_text", "text": take("text")}]),
                        "encrypted_content": take("data"),
                    },
                    own=True,
                ),
                ToolResult: apart({"type": "function_call_output", "call_id": take("id"), "output": take("text")}),
            },
        ),
    ),
)
