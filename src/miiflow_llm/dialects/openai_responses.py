"""OpenAI Responses: `POST /responses`. A conversation and an answer are lists of items, not messages with content.

Text, summaries and arguments are read as they stream, all else of an item when it is done. What the provider's own
tools did is kept as it came, and goes back so.
"""

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
from ..wire.table import (
    Dialect,
    Rule,
    apart,
    by_role,
    by_value,
    const,
    count,
    each,
    emit,
    fault,
    first,
    inside,
    json,
    other_than,
    take,
    when,
)
from ._effort import LEVELS, effort, is_on
from ._media import file_name
from ._schema_tables import openai_function, openai_output
from .openai_chat import OPENAI_CHAT

KINDS = other_than("message", "reasoning", "function_call", "custom_tool_call")
"""Items of the provider's own tools and bookkeeping have no unified form: they are kept as they came, and echoed."""

ADDED = "response.output_item.added"
DONE = "response.output_item.done"
FAILED = "response.failed"
END = ("response.completed", "response.incomplete", "response.done")

AT_WORK = (
    "response.queued",
    ADDED,
    "response.reasoning_summary_part.added",
    "response.web_search_call.in_progress",
    "response.web_search_call.searching",
    "response.web_search_call.completed",
    "response.file_search_call.in_progress",
    "response.file_search_call.searching",
    "response.file_search_call.completed",
    "response.code_interpreter_call.in_progress",
    "response.code_interpreter_call.interpreting",
    "response.code_interpreter_call.completed",
    "response.code_interpreter_call_code.delta",
    "response.image_generation_call.in_progress",
    "response.image_generation_call.generating",
    "response.image_generation_call.partial_image",
    "response.image_generation_call.completed",
    "response.mcp_call.in_progress",
    "response.mcp_call.completed",
    "response.mcp_call.failed",
    "response.mcp_call_arguments.delta",
    "response.mcp_list_tools.in_progress",
    "response.mcp_list_tools.completed",
    "response.mcp_list_tools.failed",
    "response.shell_call_command.added",
    "response.shell_call_command.delta",
    "response.shell_call_output_content.delta",
    "response.compaction.compacting",
)
"""What says only that the server is at work."""

BAD_IMAGE = (
    "invalid_image",
    "invalid_image_format",
    "invalid_base64_image",
    "invalid_image_url",
    "invalid_image_mode",
    "image_too_large",
    "image_too_small",
    "image_parse_error",
    "image_file_too_large",
    "unsupported_image_media_type",
    "empty_image_file",
    "failed_to_download_image",
    "image_file_not_found",
)


def usage(at: str, *on: str) -> Rule:
    """The counters at `at`: output includes reasoning, input what was cached."""
    return emit(
        "usage",
        when=at,
        on=on,
        input=f"{at}.input_tokens",
        output=f"{at}.output_tokens",
        total=f"{at}.total_tokens",
        cached=f"{at}.input_tokens_details.cached_tokens",
        cache_write=f"{at}.input_tokens_details.cache_write_tokens",
        reasoning=f"{at}.output_tokens_details.reasoning_tokens",
    )


ERROR = emit(
    "failure",
    when="error",
    message=first("error.message", "error"),
    code=first("error.code", "code"),
    type="error.type",
)

LOGPROBS = when("logprobs", "message.output_text.logprobs", when("top_logprobs", "message.output_text.logprobs"))
SUMMARY = take("reasoning", through=is_on, values={True: "auto", False: None})
"""Reasoning that is asked for is asked to be shown too; no other form of it is given."""

TEXT = inside({"type": "input_text", "text": take("text")})
IMAGE = inside({"type": "input_image", "image_url": take("media.url"), "detail": take("detail")})
FILE = inside(
    when(
        "media.link",
        {"type": "input_file", "file_url": take("media.link")},
        {
            "type": "input_file",
            "filename": take("filename", default=take("media", through=file_name)),
            "file_data": take("media.url"),
        },
    )
)
SAID = when(
    "item_id",
    {
        "type": "message",
        "id": take("item_id"),
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": take("text"), "annotations": []}],
        "phase": take("phase"),
    },
    {"role": "assistant", "content": take("text")},
)
"""What the model itself said goes back under its own name: a reasoning item asks for the item that followed it."""

OPENAI_RESPONSES = Dialect(
    name="openai_responses",
    docs="https://platform.openai.com/docs/api-reference/responses",
    path="/responses",
    done="[DONE]",
    event="type",
    body={
        "model": take("model"),
        "input": take("messages"),
        "max_output_tokens": take("max_tokens"),
        "temperature": take("temperature"),
        "top_p": take("top_p"),
        "top_logprobs": take("top_logprobs"),
        "include": [LOGPROBS],
        "tools": when(
            "tools",
            take(
                "tools",
                each=when(
                    "payload",
                    take("payload"),
                    {
                        "type": "function",
                        "name": take("name"),
                        "description": take("description"),
                        "parameters": take(".", through=openai_function),
                        # left out it means strict, on this wire alone
                        "strict": take("strict", default=False),
                    },
                ),
            ),
        ),
        "tool_choice": take(
            "tool_choice",
            values={
                "auto": "auto",
                "none": "none",
                "required": "required",
                ...: {"type": "function", "name": take("tool_choice")},
            },
        ),
        "parallel_tool_calls": take("parallel_tool_calls"),
        "reasoning": {"effort": take("reasoning", through=effort(*LEVELS, off="none")), "summary": SUMMARY},
        "text": {
            "format": when(
                "schema",
                {
                    "type": "json_schema",
                    "name": take("schema.name"),
                    "schema": take("schema", through=openai_output),
                    "strict": take("schema.strict"),
                },
                when("json_mode", {"type": "json_object"}),
            )
        },
        "service_tier": take("service_tier"),
        "safety_identifier": take("user"),
        "metadata": take("metadata"),
        "stream": take("stream"),
    },
    message={"role": take("role"), "content": take("content")},
    parts={
        TextBlock: by_role(system=TEXT, user=TEXT, tool=TEXT, assistant=apart(SAID)),
        ImageBlock: by_role(user=IMAGE, tool=IMAGE),
        DocumentBlock: by_role(user=FILE, tool=FILE),
        AudioBlock: by_role(
            user=inside({"type": "input_audio", "input_audio": {"data": take("data"), "format": take("format")}})
        ),
        # without its id it is no item that the server knows
        ReasoningBlock: apart(
            when(
                "id",
                {
                    "type": "reasoning",
                    "id": take("id"),
                    "summary": when("text", [{"type": "summary_text", "text": take("text")}], []),
                    "encrypted_content": take("data"),
                },
            ),
            own="model",
        ),
        OpaqueBlock: by_value(
            "role", {"user": inside(take("payload"), own=True), ...: apart(take("payload"), own=True)}
        ),
        ToolCall: apart(
            when(
                "custom",
                {
                    "type": "custom_tool_call",
                    "id": take("item_id"),
                    "call_id": take("id"),
                    "name": take("name"),
                    "input": take("arguments"),
                },
                {
                    "type": "function_call",
                    "id": take("item_id"),
                    "call_id": take("id"),
                    "name": take("name"),
                    "arguments": take("arguments"),
                },
            )
        ),
        ToolResult: apart(
            {
                "type": when("custom", "custom_tool_call_output", "function_call_output"),
                "call_id": take("id"),
                "output": take("content"),
            }
        ),
    },
    events=(
        emit("meta", when="response", on=("response.created", *END, FAILED), id="response.id", model="response.model"),
        emit("text", "delta", block="output_index", on="response.output_text.delta"),
        emit("logprobs", "logprobs", on="response.output_text.delta"),
        emit("citation", "annotation", on="response.output_text.annotation.added"),
        emit("refusal", "delta", on="response.refusal.delta"),
        emit(
            "reasoning",
            "delta",
            block="output_index",
            on=("response.reasoning_summary_text.delta", "response.reasoning_text.delta", "response.reasoning.delta"),
        ),
        emit("progress", "output_index", on=AT_WORK),
        emit(
            "tool_call",
            on=ADDED,
            where=("item.type", "function_call"),
            row="tool_call_start",
            index="output_index",
            id="item.call_id",
            name="item.name",
        ),
        emit(
            "tool_call",
            on=ADDED,
            where=("item.type", "custom_tool_call"),
            row="custom_tool_call_start",
            index="output_index",
            id="item.call_id",
            name="item.name",
            custom=const(True),
        ),
        emit(
            "tool_call",
            on=("response.function_call_arguments.delta", "response.custom_tool_call_input.delta"),
            when="delta",
            row="arguments",
            index="output_index",
            arguments="delta",
        ),
        emit(
            "text",
            on=DONE,
            where=("item.type", "message"),
            row="message",
            item_id="item.id",
            phase="item.phase",
            block="output_index",
        ),
        emit(
            "reasoning",
            on=DONE,
            where=("item.type", "reasoning"),
            when=first("item.id", "item.encrypted_content"),
            row="reasoning_item",
            id="item.id",
            data="item.encrypted_content",
            block="output_index",
        ),
        emit(
            "tool_call",
            on=DONE,
            where=("item.type", "function_call"),
            row="tool_call_done",
            index="output_index",
            id="item.call_id",
            name="item.name",
            item_id="item.id",
            in_full="item.arguments",
        ),
        emit(
            "tool_call",
            on=DONE,
            where=("item.type", "custom_tool_call"),
            row="custom_tool_call_done",
            index="output_index",
            id="item.call_id",
            name="item.name",
            item_id="item.id",
            in_full="item.input",
            custom=const(True),
        ),
        emit("opaque", json("item"), block="output_index", where=("item.type", KINDS), on=DONE),
        usage("response.usage", *END),
        emit("finish", first("response.incomplete_details.reason", "response.status"), on=END),
        emit(
            "failure",
            on=FAILED,
            when="response",
            row="failed",
            message="response.error.message",
            code="response.error.code",
            type="response.error.type",
        ),
        emit("failure", on="error", when="message", row="flat_error", message="message", code="code"),
        ERROR,
    ),
    whole=(
        emit("meta", when="id", id="id", model="model"),
        each(
            "output",
            emit(
                "text",
                where=("type", "message"),
                row="message",
                item_id="id",
                phase="phase",
                block="id",
            ),
            emit(
                "reasoning",
                where=("type", "reasoning"),
                when=first("id", "encrypted_content"),
                row="reasoning_item",
                id="id",
                data="encrypted_content",
                block="id",
            ),
            each("summary", emit("reasoning", "text", row="summary")),
            each(
                "content",
                emit("text", "text", where=("type", "output_text")),
                emit("logprobs", "logprobs"),
                emit("citation", "annotations"),
                emit("refusal", "refusal", where=("type", "refusal")),
                emit("reasoning", "text", where=("type", "reasoning_text")),
            ),
            emit(
                "tool_call",
                where=("type", "function_call"),
                id="call_id",
                name="name",
                arguments="arguments",
                item_id="id",
                whole=const(True),
            ),
            emit(
                "tool_call",
                where=("type", "custom_tool_call"),
                row="custom_tool_call",
                id="call_id",
                name="name",
                arguments="input",
                item_id="id",
                custom=const(True),
                whole=const(True),
            ),
            emit("opaque", json("."), where=("type", KINDS)),
        ),
        usage("usage"),
        ERROR,
        emit("finish", first("incomplete_details.reason", "status")),
    ),
    failure=OPENAI_CHAT.failure,
    ignored=(
        "keepalive",
        "response.in_progress",
        "response.content_part.added",
        "response.content_part.done",
        "response.output_text.done",
        "response.refusal.done",
        "response.function_call_arguments.done",
        "response.custom_tool_call_input.done",
        "response.reasoning_summary_part.done",
        "response.reasoning_summary_text.done",
        "response.reasoning_text.done",
        "response.code_interpreter_call_code.done",
        "response.mcp_call_arguments.done",
        "response.shell_call_command.done",
        "response.shell_call_output_content.done",
        "response.audio.delta",
        "response.audio.done",
        "response.audio.transcript.delta",
        "response.audio.transcript.done",
    ),
    finish={
        "completed": "stop",
        "max_messages": "stop",
        "steered": "stop",
        "max_output_tokens": "length",
        "max_tokens": "length",
        "content_filter": "content_filter",
        "failed": "error",
        "cancelled": "error",
    },
    usage={
        "prompt_tokens": count("input"),
        "completion_tokens": count("output"),
        "total_tokens": count("total"),
        "cache_read_tokens": count("cached"),
        "cache_write_tokens": count("cache_write"),
        "reasoning_tokens": count("reasoning"),
    },
    complete=(*END, "[DONE]"),
    end=(*END, "[DONE]"),
    errors=(
        fault(error.ContentFilterError, "bio_policy", "misalignment_policy_violation", stands_for=400),
        fault(error.ServiceUnavailableError, "vector_store_timeout", stands_for=503),
        *OPENAI_CHAT.errors,
        fault(error.InvalidRequestError, "invalid_prompt", "data_residency_mismatch", stands_for=400),
        fault(error.InvalidRequestError, *BAD_IMAGE, stands_for=400),
    ),
    model_list=OPENAI_CHAT.model_list,
    embeddings=OPENAI_CHAT.embeddings,
    hints=OPENAI_CHAT.hints,
)
