"""How answers of OpenAI Responses are read: the rules for the events of a stream and for a whole answer.

A stream says everything up to four times: in pieces, when a text is done, when its part, when its item, and with the
whole answer at the end. Servers of the same name (LM Studio, llama.cpp, gateways) leave out some of these, in any
combination, so all are read, and each says what the others did not. An event names its item by `output_index`, or by
`item_id` alone.
"""

from __future__ import annotations

from typing import Any

from ..tables import Each, First, Rule, RuleLike, absent, const, each, emit, first, json, other_than, position

KINDS = other_than("message", "reasoning", "function_call", "custom_tool_call")
"""Items of the provider's own tools and bookkeeping have no unified form: they are kept as they came, and echoed."""

ADDED = "response.output_item.added"
DONE = "response.output_item.done"
FAILED = "response.failed"
COMPLETED = "response.completed"
END = (COMPLETED, "response.incomplete", "response.done")

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

ITEM = first("output_index", "item_id")
"""The item that an event is of; `OF` is the same in an event that has the item itself."""
OF = first("output_index", "item.id")


def usage(at: str, *on: str) -> Rule:
    """The counters at `at`: output includes reasoning, input what was cached."""
    return emit(
        "usage",
        when=at,
        on=on,
        input=first(f"{at}.input_tokens", f"{at}.prompt_tokens"),
        output=first(f"{at}.output_tokens", f"{at}.completion_tokens"),
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


def pieces() -> tuple[RuleLike, ...]:
    """The rules for pieces of text, refusal, reasoning and arguments."""
    return (
        emit("text", "delta", block=ITEM, part="content_index", on="response.output_text.delta"),
        emit("logprobs", "logprobs", block=ITEM, part="content_index", on="response.output_text.delta"),
        emit("citation", "annotation", on="response.output_text.annotation.added"),
        emit("refusal", "delta", block=ITEM, part="content_index", on="response.refusal.delta"),
        emit("reasoning", "delta", block=ITEM, part="summary_index", on="response.reasoning_summary_text.delta"),
        emit(
            "reasoning",
            "delta",
            block=ITEM,
            part="content_index",
            raw=const(True),
            on=("response.reasoning_text.delta", "response.reasoning.delta"),
            row="raw_reasoning",
        ),
        emit("progress", first("output_index", "item_id", "type"), on=AT_WORK),
        emit(
            "tool_call",
            on="response.function_call_arguments.delta",
            when="delta",
            row="arguments",
            index=ITEM,
            arguments="delta",
        ),
        emit(
            "tool_call",
            on="response.custom_tool_call_input.delta",
            when="delta",
            row="custom_input",
            index=ITEM,
            arguments="delta",
            custom=const(True),
        ),
    )


def texts_in_full() -> tuple[RuleLike, ...]:
    """The rules for a text that is done, and for its part."""
    of_part: dict[str, Any] = {"block": ITEM, "part": "content_index"}
    return (
        emit("text", in_full="text", on="response.output_text.done", row="text_done", **of_part),
        emit("logprobs", in_full="logprobs", on="response.output_text.done", row="logprobs_done", **of_part),
        emit("refusal", in_full="refusal", on="response.refusal.done", row="refusal_done", **of_part),
        emit(
            "reasoning",
            in_full="text",
            block=ITEM,
            part="summary_index",
            on="response.reasoning_summary_text.done",
            row="summary_done",
        ),
        emit(
            "reasoning",
            in_full="part.text",
            block=ITEM,
            part="summary_index",
            on="response.reasoning_summary_part.done",
            row="summary_part_done",
        ),
        emit(
            "reasoning",
            in_full="text",
            raw=const(True),
            on="response.reasoning_text.done",
            row="raw_reasoning_done",
            **of_part,
        ),
        *content("part", on="response.content_part.done", **of_part),
    )


def content(at: str, *, on: str | tuple[()] = (), **where: Any) -> tuple[RuleLike, ...]:
    """The rules for a part of a message's or of reasoning's content, at `at`; `.` is the element of an `each`."""
    inside = "" if at == "." else f"{at}."
    row = "" if at == "." else "_part_done"
    return (
        emit("text", where=(f"{inside}type", "output_text"), row=f"text{row}", on=on, in_full=f"{inside}text", **where),
        emit("logprobs", in_full=f"{inside}logprobs", on=on, row=f"logprobs{row}", **where),
        emit("citation", in_full=f"{inside}annotations", on=on, row=f"citation{row}"),
        emit(
            "refusal",
            where=(f"{inside}type", "refusal"),
            row=f"refusal{row}",
            on=on,
            in_full=f"{inside}refusal",
            **where,
        ),
        emit(
            "reasoning",
            where=(f"{inside}type", "reasoning_text"),
            row=f"raw_reasoning{row}",
            on=on,
            in_full=f"{inside}text",
            raw=const(True),
            **where,
        ),
    )


def parts(at: str, *, on: str | tuple[()] = ()) -> tuple[RuleLike, ...]:
    """The rules for the parts of an item at `at`: they are those of the item that the frame named last."""
    inside = "" if at == "." else f"{at}."
    return (
        emit(
            "text",
            where=(f"{inside}type", "message"),
            in_full=f"{inside}content",
            part=const(0),
            on=on,
            row="bare_text",
            unproven="content that is a string, as requests have it: small servers answer so too",
        ),
        each(f"{inside}summary", emit("reasoning", in_full="text", part=position(), row="summary"), on=on),
        each(f"{inside}content", *content(".", part=position()), on=on),
    )


def item_done() -> tuple[RuleLike, ...]:
    """The rules for an item that is done: its names, and all that it says."""
    return (
        emit(
            "text",
            on=DONE,
            where=("item.type", "message"),
            when="item.type",
            row="message",
            item_id="item.id",
            phase="item.phase",
            block=OF,
        ),
        emit(
            "reasoning",
            on=DONE,
            where=("item.type", "reasoning"),
            when="item.type",
            row="reasoning_item",
            id="item.id",
            data="item.encrypted_content",
            block=OF,
        ),
        *parts("item", on=DONE),
        emit("opaque", json("item"), block=OF, id="item.id", where=("item.type", KINDS), on=DONE),
    )


def call(at: str, kind: str, arguments: str, index: First | str, row: str, **more: Any) -> Rule:
    """The rule for a call of `kind` in an item at `at`, its arguments in full under `arguments`."""
    inside = "" if at == "." else f"{at}."
    return emit(
        "tool_call",
        where=(f"{inside}type", kind),
        when=f"{inside}type",
        row=row,
        index=index,
        id=first(f"{inside}call_id", f"{inside}id"),
        name=f"{inside}name",
        item_id=f"{inside}id",
        in_full=f"{inside}{arguments}",
        **more,
    )


def call_begun(kind: str, row: str, **more: Any) -> Rule:
    """The rule for a call of `kind` that begins."""
    return emit(
        "tool_call",
        on=ADDED,
        where=("item.type", kind),
        when="item.type",
        row=row,
        index=OF,
        id=first("item.call_id", "item.id"),
        name="item.name",
        item_id="item.id",
        **more,
    )


def calls_of_items() -> tuple[Rule, ...]:
    """The rules for calls that begin and that are done."""
    return (
        call_begun("function_call", "tool_call_start"),
        call_begun("custom_tool_call", "custom_tool_call_start", custom=const(True)),
        emit(
            "tool_call",
            on="response.function_call_arguments.done",
            when="arguments",
            row="arguments_done",
            index=ITEM,
            name="name",
            in_full="arguments",
        ),
        emit(
            "tool_call",
            on="response.custom_tool_call_input.done",
            when="input",
            row="custom_input_done",
            index=ITEM,
            custom=const(True),
            in_full="input",
        ),
        call("item", "function_call", "arguments", OF, "tool_call_done", on=DONE),
        call("item", "custom_tool_call", "input", OF, "custom_tool_call_done", custom=const(True), on=DONE),
    )


def items(at: str, *on: str) -> Each:
    """The rules for the list of all items at `at`: what no event said of them before."""
    return each(
        at,
        emit(
            "text",
            where=("type", "message"),
            when="type",
            row="message",
            item_id="id",
            phase="phase",
            block=position(),
            in_full=const(""),
        ),
        emit(
            "reasoning",
            where=("type", "reasoning"),
            when="type",
            row="reasoning_item",
            id="id",
            data="encrypted_content",
            block=position(),
            in_full=const(""),
        ),
        *parts("."),
        call(".", "function_call", "arguments", "id", "tool_call", place=position()),
        call(".", "custom_tool_call", "input", "id", "custom_tool_call", custom=const(True), place=position()),
        emit(
            "opaque", json("."), block=position(), id="id", again=const(True), where=("type", KINDS), row="opaque_item"
        ),
        on=on,
    )


EVENTS = (
    emit(
        "meta",
        when="response",
        on="response.created",
        row="start",
        id="response.id",
        model="response.model",
        starts=const(True),
    ),
    emit("meta", when="response", on=(*END, FAILED), id="response.id", model="response.model"),
    *pieces(),
    *texts_in_full(),
    *item_done(),
    *calls_of_items(),
    items("response.output", *END),
    usage("response.usage", *END, FAILED),
    emit("finish", first("response.incomplete_details.reason", "response.status"), on=END),
    emit(
        "finish",
        const("completed"),
        when=absent("response.incomplete_details.reason", "response.status"),
        on=COMPLETED,
        row="completed",
    ),
    emit(
        "failure",
        on=FAILED,
        when="response",
        row="failed",
        message="response.error.message",
        code="response.error.code",
        type="response.error.type",
    ),
    emit("finish", const("failed"), on=FAILED, row="failed_without_an_error"),
    emit("failure", on="error", when="message", row="flat_error", message="message", code="code"),
    ERROR,
)

WHOLE = (
    emit("meta", when="id", id="id", model="model"),
    items("output"),
    usage("usage"),
    ERROR,
    emit("finish", first("incomplete_details.reason", "status")),
)

IGNORED = (
    "keepalive",
    "response.in_progress",
    "response.content_part.added",
    "response.code_interpreter_call_code.done",
    "response.mcp_call_arguments.done",
    "response.shell_call_command.done",
    "response.shell_call_output_content.done",
    "response.audio.delta",
    "response.audio.done",
    "response.audio.transcript.delta",
    "response.audio.transcript.done",
)
