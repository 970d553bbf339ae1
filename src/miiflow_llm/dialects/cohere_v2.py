"""Cohere's chat format, version 2: `POST /v2/chat`, a stream of named events.

What a model writes before its calls (`tool_plan`) is reasoning under an id of its own, so that it goes back where it
came from.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

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
from ..core.request import ChatRequest, ToolSpec
from ..tables import (
    Dialect,
    Endpoint,
    ResponseHeaders,
    Rule,
    RuleLike,
    apart,
    at_most,
    beside,
    by_model,
    by_role,
    by_value,
    const,
    count,
    drop,
    each,
    emit,
    fault,
    first,
    inside,
    joined,
    left_out,
    position,
    refused,
    take,
    when,
)
from ..tables.media_parts import document_text
from ..tables.reasoning import budget, is_on
from ..tables.tool_parts import ARGUMENTS, NO_PARAMETERS, functions

NEVER_REASONS = r"command-(r|light|nightly|a-03|a-vision|a-translate)|c4ai"

PLAN = "tool_plan"
"""The id of the reasoning that is a plan, and its key on the wire."""


def only_the_named_tool(request: ChatRequest) -> ChatRequest:
    """A choice of one tool, as this wire says it: no other tool is sent, and a call is required."""
    name = request.tool_choice
    if name in (None, "auto", "none", "required"):
        return request
    tools = [tool for tool in request.tools or () if tool.name == name]
    if not tools:
        raise error.ConfigurationError(f"tool_choice={name!r}: there is no such tool among tools")
    return msgspec.structs.replace(request, tools=tools, tool_choice="required")


def any_strict(tools: Sequence[ToolSpec]) -> bool | None:
    """Whether the tools are to be followed strictly: here it is one setting for all."""
    return True if any(tool.strict for tool in tools) else None


# in a user message neither the vendor's own type nor any recorded request has documents
DOCUMENT = inside(
    take(
        "role",
        values={
            "tool": {
                "type": "document",
                "document": {"id": take("filename"), "data": {"text": take("media", through=document_text)}},
            },
            ...: {"type": "text", "text": take("media", through=document_text)},
        },
    )
)
NO_DOCUMENT = refused("Cohere takes documents as text; give a text data URL (DocumentBlock.from_text)")


def usage(at: str, *on: str) -> Rule:
    """The counters at `at`; `tokens` count all that the model saw, `billed_units` leave the template out."""
    return emit(
        "usage",
        when=at,
        on=on,
        input=first(f"{at}.tokens.input_tokens", f"{at}.billed_units.input_tokens"),
        output=first(f"{at}.tokens.output_tokens", f"{at}.billed_units.output_tokens"),
        cached=f"{at}.cached_tokens",
        reasoning=f"{at}.tokens.reasoning_tokens",
    )


def message(at: str, *on: str, unproven: str = "") -> tuple[RuleLike, ...]:
    """The rules for a whole message at `at`, which servers that do not stream put into the last event."""
    return (
        emit(
            "reasoning",
            in_full=f"{at}.tool_plan",
            block=const(PLAN),
            id=const(PLAN),
            row="plan",
            on=on,
            unproven=unproven,
        ),
        each(
            f"{at}.content",
            emit("text", in_full="text", where=("type", "text"), block=position(), row="full_text", unproven=unproven),
            emit(
                "reasoning",
                in_full="thinking",
                where=("type", "thinking"),
                block=position(),
                row="thought",
                unproven=unproven,
            ),
            on=on,
        ),
        each(
            f"{at}.tool_calls",
            emit(
                "tool_call",
                when="function",
                id="id",
                name="function.name",
                in_full="function.arguments",
                place=position(),
                row="full_call",
                unproven=unproven,
            ),
            on=on,
        ),
        emit("citation", in_full=f"{at}.citations", on=on, row="full_citation", unproven=unproven),
    )


COHERE_V2 = Dialect(
    name="cohere_v2",
    docs="https://docs.cohere.com/reference/chat",
    path="/v2/chat",
    done="[DONE]",
    event="type",
    tool_names="[A-Za-z_][A-Za-z0-9_]{0,63}",
    prepare=(only_the_named_tool,),
    body={
        "model": take("model"),
        "messages": take("messages"),
        "max_tokens": take("max_tokens"),
        "temperature": take("temperature"),
        "p": take("top_p"),
        "k": take("top_k"),
        "seed": take("seed"),
        "stop_sequences": take("stop"),
        "presence_penalty": take("presence_penalty"),
        "frequency_penalty": take("frequency_penalty"),
        "logprobs": take("logprobs"),
        "tools": functions(take("parameters", default=NO_PARAMETERS)),
        "strict_tools": take("tools", through=any_strict),
        "tool_choice": take("tool_choice", values={"auto": None, "none": "NONE", "required": "REQUIRED"}),
        "thinking": by_model(
            {
                NEVER_REASONS: None,
                "": {
                    "type": take("reasoning", through=is_on, values={True: "enabled", False: "disabled"}),
                    "token_budget": take("reasoning", through=budget),
                },
            }
        ),
        "response_format": when(
            "schema",
            {"type": "json_object", "json_schema": take("schema.schema")},
            when("json_mode", {"type": "json_object"}),
        ),
        "stream": take("stream"),
    },
    message={"role": take("role"), "content": take("content")},
    media={ImageBlock: ("image/png", "image/jpeg", "image/gif", "image/webp")},
    parts={
        TextBlock: inside({"type": "text", "text": take("text")}),
        ImageBlock: by_role(
            user=inside({"type": "image_url", "image_url": {"url": take("media.url"), "detail": take("detail")}})
        ),
        DocumentBlock: by_value("document_type", {"text": DOCUMENT, "txt": DOCUMENT, ...: NO_DOCUMENT}),
        AudioBlock: refused("Cohere takes no audio; send a transcript as text"),
        ReasoningBlock: by_value(
            "id",
            {
                PLAN: joined(PLAN, take("text"), own=True),
                ...: inside({"type": "thinking", "thinking": take("text")}, own=True),
            },
        ),
        OpaqueBlock: by_value("role", {"user": inside(take("payload"), own=True), ...: left_out()}),
        ToolCall: beside(
            "tool_calls",
            {
                "id": take("id"),
                "type": "function",
                "function": {"name": take("name"), "arguments": ARGUMENTS},
            },
        ),
        ToolResult: apart({"role": "tool", "tool_call_id": take("id"), "content": take("content")}),
    },
    events=(
        emit("meta", when="type", id="id", starts=const(True), on="message-start"),
        emit(
            "text",
            "delta.message.content.text",
            block="index",
            on=("content-start", "content-delta"),
        ),
        emit(
            "reasoning",
            "delta.message.content.thinking",
            block="index",
            on=("content-start", "content-delta"),
        ),
        emit(
            "reasoning",
            "delta.message.tool_plan",
            block=const(PLAN),
            id=const(PLAN),
            on="tool-plan-delta",
            row="tool_plan",
        ),
        emit(
            "tool_call",
            when="delta.message.tool_calls",
            index="index",
            id="delta.message.tool_calls.id",
            name="delta.message.tool_calls.function.name",
            arguments="delta.message.tool_calls.function.arguments",
            on=("tool-call-start", "tool-call-delta"),
        ),
        emit("citation", "delta.message.citations", on="citation-start"),
        *message("delta.message", "message-end", unproven="servers that only look as if they streamed"),
        emit("finish", "delta.finish_reason", message="delta.error", on="message-end"),
        usage("delta.usage", "message-end"),
    ),
    whole=(
        emit("meta", id="id"),
        *message("message"),
        emit("finish", "finish_reason"),
        usage("usage"),
    ),
    failure=(emit("failure", message="message", request_id="id"),),
    ignored=("content-end", "tool-call-end", "citation-end", "debug"),
    finish={
        "COMPLETE": "stop",
        "STOP_SEQUENCE": "stop",
        "MAX_TOKENS": "length",
        "ERROR_LIMIT": "length",
        "TOOL_CALL": "tool_calls",
        "ERROR_TOXIC": "content_filter",
        "ERROR": "error",
        "TIMEOUT": "error",
    },
    usage={
        "prompt_tokens": count("input"),
        "completion_tokens": count("output"),
        "cache_read_tokens": count("cached"),
        "reasoning_tokens": count("reasoning"),
    },
    complete=("message-end",),
    end=("message-end", "[DONE]"),
    errors=(
        fault(
            error.ContextLengthError,
            status=(400, 413, 422),
            says=r"too many tokens|too long|context (length|window)|maximum .*tokens",
        ),
        fault(error.QuotaExceededError, status=429, says="/ ?month|per month"),
        fault(error.ServiceUnavailableError, "ERROR", stands_for=500),
        fault(error.ServiceUnavailableError, "TIMEOUT", stands_for=504),
        fault(error.InvalidRequestError, status=(498, 499)),
    ),
    drops=(
        drop("stop", unless={"stop": at_most(5)}, reason="Cohere takes five stop words at most; leave some out"),
        drop(
            "reasoning",
            models=NEVER_REASONS,
            unless={"reasoning": ("off", 0)},
            reason="this model does not reason; choose one that does, as command-a-reasoning-08-2025",
        ),
        drop(
            "schema",
            "json_mode",
            beside="tools",
            reason="Cohere refuses JSON output beside tools; make two calls, or a tool of the answer's form",
        ),
        drop("parallel_tool_calls", reason="Cohere has no such field; leave it out"),
    ),
    response_headers=ResponseHeaders(request_id=("x-debug-trace-id", "x-request-id")),
    model_list=Endpoint("/v1/models?page_size=1000", "GET", items="models", value="name"),
    embeddings=Endpoint(
        "/v2/embed",
        body={
            "model": take("model"),
            "texts": take("texts"),
            "input_type": "search_document",
            "embedding_types": ["float"],
            "output_dimension": take("dimensions"),
        },
        items="embeddings.float",
        tokens="meta.billed_units.input_tokens",
    ),
)
