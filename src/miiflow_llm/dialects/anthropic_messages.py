"""Anthropic Messages: `POST /v1/messages`."""

from __future__ import annotations

from ..core import exceptions as error
from ..core.messages import (
    AudioBlock,
    DocumentBlock,
    ImageBlock,
    OpaqueBlock,
    ReasoningBlock,
    TextBlock,
    ToolCall,
    ToolResult,
)
from ..tables import (
    Dialect,
    Endpoint,
    ResponseHeaders,
    Rule,
    Turns,
    by_model,
    const,
    count,
    each,
    emit,
    fault,
    first,
    inside,
    json,
    other_than,
    position,
    refused,
    take,
    when,
)
from ..tables.cache_marks import first_and_last_marks, lifetime
from ._anthropic_models import CONTINUES, DROPS, EFFORT, MAX_TOKENS, SIGNED, STRUCTURED, THINKING
from ._anthropic_request import anthropic_source, thinking_budget
from .schema_subsets import ANTHROPIC_STRICT, anthropic_function, anthropic_output

KINDS = other_than("text", "thinking", "redacted_thinking", "tool_use")
"""Blocks of the provider's own tools and bookkeeping have no unified form: they are kept as they came, and echoed."""

START = "content_block_start"
DELTA = "content_block_delta"


def usage(at: str, *on: str) -> Rule:
    """The counters at `at`. Those of a stream are cumulative: the last of each counts."""
    return emit(
        "usage",
        when=at,
        on=on,
        row=f"{at.replace('.', '_')}",
        input=f"{at}.input_tokens",
        output=f"{at}.output_tokens",
        cache_read=f"{at}.cache_read_input_tokens",
        cache_write=f"{at}.cache_creation_input_tokens",
        thinking=f"{at}.output_tokens_details.thinking_tokens",
        cache_write_1h=f"{at}.cache_creation.ephemeral_1h_input_tokens",
        searches=f"{at}.server_tool_use.web_search_requests",
    )


ERROR = emit(
    "failure",
    when="error",
    message=first("error.message", "error"),
    code="error.details.error_code",
    type="error.type",
    request_id="request_id",
)

BLOCK = (
    emit("text", in_full="text", where=("type", "text"), block=position()),
    emit("citation", in_full="citations", where=("type", "text")),
    emit("reasoning", in_full="thinking", where=("type", "thinking"), block=position()),
    emit(
        "reasoning",
        when="signature",
        signature="signature",
        where=("type", "thinking"),
        block=position(),
        row="signature",
    ),
    emit("reasoning", data="data", where=("type", "redacted_thinking"), block=position(), row="redacted_thinking"),
    emit(
        "tool_call",
        where=("type", "tool_use"),
        when="type",
        index=position(),
        id="id",
        name="name",
        in_full=json("input"),
    ),
    emit("opaque", json("."), where=("type", KINDS), block=position(), id="id", again=const(True)),
)
"""A block of a whole answer; a stream may begin with some, as programmatic tool calling does."""

CACHED = when("cache", {"type": "ephemeral", "ttl": take("cache", through=lifetime("5m", "1h"))})

TEXT = {"type": "text", "text": take("text"), "cache_control": CACHED}

SOURCE = when("file_id", {"type": "file", "file_id": take("file_id")}, take("media", through=anthropic_source))

ONE_CALL = take("parallel_tool_calls", values={False: True, True: None})

ANTHROPIC_MESSAGES = Dialect(
    name="anthropic_messages",
    docs="https://platform.claude.com/docs/en/api/messages",
    path="/v1/messages",
    headers={"anthropic-version": "2023-06-01"},
    event="type",
    system="hoist",
    merge=True,
    roles={"tool": "user"},
    tool_names="[A-Za-z0-9_-]{1,128}",
    prepare=(thinking_budget, first_and_last_marks),
    body={
        "model": take("model"),
        "max_tokens": take("max_tokens", default=by_model(MAX_TOKENS)),
        "system": take("system_blocks", each=TEXT, default=take("system")),
        "messages": take("messages"),
        "temperature": take("temperature"),
        "top_p": take("top_p"),
        "top_k": take("top_k"),
        "stop_sequences": take("stop"),
        "tools": take(
            "tools",
            each=when(
                "payload",
                take("payload"),
                {
                    "name": take("name"),
                    "description": when("description", take("description")),
                    "input_schema": take(".", through=anthropic_function),
                    "strict": take("strict"),
                    "cache_control": CACHED,
                },
            ),
        ),
        "tool_choice": take(
            "tool_choice",
            values={
                "auto": {"type": "auto", "disable_parallel_tool_use": ONE_CALL},
                "none": {"type": "none"},
                "required": {"type": "any", "disable_parallel_tool_use": ONE_CALL},
                ...: {"type": "tool", "name": take("tool_choice"), "disable_parallel_tool_use": ONE_CALL},
            },
            default=take(
                "parallel_tool_calls",
                values={False: {"type": "auto", "disable_parallel_tool_use": True}, True: None},
            ),
        ),
        "thinking": THINKING,
        "output_config": {
            "effort": EFFORT,
            "format": when("schema", {"type": "json_schema", "schema": take("schema", through=anthropic_output)}),
        },
        "metadata": {"user_id": take("user")},
        "service_tier": take(
            "service_tier", values={"default": "standard_only", "standard": "standard_only", ...: take("service_tier")}
        ),
        "stream": take("stream"),
    },
    message={"role": take("role"), "content": take("content")},
    turns=Turns(blank=False, begins_with_user=True, call_ids="[A-Za-z0-9_-]+"),
    media={ImageBlock: ("image/jpeg", "image/png", "image/gif", "image/webp")},
    max_media=32 << 20,
    parts={
        TextBlock: inside(TEXT),
        ImageBlock: inside({"type": "image", "source": SOURCE, "cache_control": CACHED}),
        DocumentBlock: inside(
            {
                "type": "document",
                "source": SOURCE,
                "title": take("filename"),
                "citations": when("citations", {"enabled": True}),
                "cache_control": CACHED,
            }
        ),
        AudioBlock: refused("Anthropic takes no audio; send a transcript as text"),
        ReasoningBlock: inside(
            when("data", {"type": "redacted_thinking", "data": take("data")}, SIGNED),
            own="model",
        ),
        OpaqueBlock: inside(take("payload"), own=True),
        ToolCall: inside(
            {
                "type": "tool_use",
                "id": take("id"),
                "name": take("name"),
                "input": take("input"),
                "cache_control": CACHED,
            }
        ),
        ToolResult: inside(
            {
                "type": "tool_result",
                "tool_use_id": take("id"),
                "content": take("content"),
                "is_error": when("is_error", True),
                "cache_control": CACHED,
            }
        ),
    },
    events=(
        emit(
            "meta",
            when="message",
            on="message_start",
            id="message.id",
            model="message.model",
            starts=const(True),
        ),
        usage("message.usage", "message_start"),
        each("message.content", *BLOCK, on="message_start"),
        emit("text", "content_block.text", block="index", on=START, row="text_at_start"),
        emit(
            "reasoning",
            "content_block.thinking",
            block="index",
            on=START,
            row="thinking_at_start",
            unproven="the first piece of thinking may come with its block; the sheet shows it empty",
        ),
        emit("reasoning", on=START, data="content_block.data", block="index", row="redacted_thinking"),
        emit(
            "tool_call",
            where=("content_block.type", "tool_use"),
            when="content_block.type",
            on=START,
            index="index",
            id="content_block.id",
            name="content_block.name",
            arguments=json("content_block.input", skip_empty=True),
            row="tool_call_start",
        ),
        emit(
            "opaque",
            json("content_block"),
            block="index",
            id="content_block.id",
            fill=const("input"),
            where=("content_block.type", KINDS),
            on=START,
        ),
        emit("text", "delta.text", block="index", on=DELTA),
        emit("reasoning", "delta.thinking", block="index", on=DELTA),
        emit(
            "reasoning",
            on=DELTA,
            when="delta.signature",
            signature="delta.signature",
            block="index",
            row="signature",
        ),
        emit(
            "tool_call",
            on=DELTA,
            when="delta.partial_json",
            index="index",
            arguments="delta.partial_json",
            row="input",
        ),
        emit("fill", json("delta.content"), block="index", key=const("content"), on=DELTA, row="compaction"),
        emit(
            "fill",
            json("delta.encrypted_content"),
            block="index",
            key=const("encrypted_content"),
            on=DELTA,
            row="encrypted_compaction",
            unproven="a later beta of compaction encrypts it (sheet, section 8)",
        ),
        emit("citation", "delta.citation", on=DELTA),
        emit("finish", "delta.stop_reason", on="message_delta"),
        usage("usage", "message_delta"),
        ERROR,
    ),
    whole=(
        emit("meta", when="id", id="id", model="model"),
        each("content", *BLOCK),
        emit(
            "text",
            in_full="content",
            row="bare_text",
            unproven="content that is a string, as requests have it: compatible servers answer so too",
        ),
        emit("finish", "stop_reason"),
        usage("usage"),
        ERROR,
    ),
    failure=(
        ERROR,
        emit("failure", when="message", row="flat_failure", message="message", type="type"),
    ),
    ignored=("ping", "content_block_stop", "error"),
    finish={
        "end_turn": "stop",
        "stop_sequence": "stop",
        "pause_turn": "stop",
        "compaction": "stop",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "tool_use": "tool_calls",
        "refusal": "content_filter",
    },
    usage={
        "prompt_tokens": count("input", "cache_read", "cache_write"),
        "completion_tokens": count("output"),
        "cache_read_tokens": count("cache_read"),
        "cache_write_tokens": count("cache_write"),
        "reasoning_tokens": count("thinking"),
        "cache_write_1h_tokens": count("cache_write_1h"),
        "web_searches": count("searches"),
    },
    complete=("message_stop",),
    end=("message_stop",),
    errors=(
        fault(
            error.QuotaExceededError,
            "enforced_spend_limit_reached",
            "contract_spend_limit_reached",
            stands_for=429,
        ),
        fault(error.QuotaExceededError, "billing_error", stands_for=402),
        fault(error.ContextLengthError, status=(400, 413), says=r"prompt is too long|exceed context limit"),
        fault(error.ServiceUnavailableError, "overloaded_error", stands_for=529),
        fault(error.RateLimitError, "rate_limit_error", stands_for=429),
        fault(error.ServiceUnavailableError, "api_error", stands_for=500),
        fault(error.ServiceUnavailableError, "timeout_error", stands_for=504),
        fault(error.AuthenticationError, "authentication_error", "invalid_authentication_error", stands_for=401),
        fault(error.PermissionDeniedError, "permission_error", stands_for=403),
        fault(error.ModelNotFoundError, "not_found_error", "resource_not_found_error", stands_for=404),
        fault(error.InvalidRequestError, "request_too_large", stands_for=413),
        fault(error.InvalidRequestError, "invalid_request_error", stands_for=400),
    ),
    drops=DROPS,
    structured=STRUCTURED,
    continues=CONTINUES,
    output_subset=ANTHROPIC_STRICT,
    model_list=Endpoint("/v1/models", "GET", items="data", value="id"),
    token_count=Endpoint(
        "/v1/messages/count_tokens",
        body={
            "model": take("model"),
            "messages": take("chat.messages"),
            "system": take("chat.system"),
            "tools": take("chat.tools"),
            "tool_choice": take("chat.tool_choice"),
            "thinking": take("chat.thinking"),
            "output_config": take("chat.output_config"),
        },
        tokens="input_tokens",
    ),
    response_headers=ResponseHeaders(
        request_id=("request-id", "x-request-id"),
        limits={
            "limit_requests": ("anthropic-ratelimit-requests-limit",),
            "remaining_requests": ("anthropic-ratelimit-requests-remaining",),
            "reset_requests": ("anthropic-ratelimit-requests-reset",),
            "limit_tokens": ("anthropic-ratelimit-tokens-limit",),
            "remaining_tokens": ("anthropic-ratelimit-tokens-remaining",),
            "reset_tokens": ("anthropic-ratelimit-tokens-reset",),
        },
    ),
)
