"""How answers of OpenAI Responses are read: the rules for the events of a stream and for a whole answer."""

from __future__ import annotations

from ..tables import Rule, const, each, emit, first, json, other_than

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

EVENTS = (
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
)

WHOLE = (
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
)

IGNORED = (
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
)
