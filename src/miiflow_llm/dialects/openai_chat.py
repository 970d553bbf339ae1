"""OpenAI Chat Completions, the wire format of a whole family: `POST /chat/completions`.

The base table takes what the servers of the family send beside OpenAI's own: reasoning under either name, tool calls
without index or id, content that is a list of parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    Take,
    Turns,
    When,
    apart,
    beside,
    by_role,
    by_value,
    count,
    count_unless_in_total,
    emit,
    fault,
    inside,
    left_out,
    take,
    when,
)
from ..tables.media_parts import file_name, text_or
from ..tables.reasoning import LEVELS, effort
from ..tables.tool_parts import ARGUMENTS, runs_none
from ._chat_reading import ERROR, EVENTS, WHOLE
from .schema_subsets import openai_output, openai_parameters

FUNCTION: dict[str, Any] = {
    "type": "function",
    "function": {"name": take("name"), "description": take("description"), "parameters": take("parameters")},
}
STRICT_FUNCTION = {
    "type": "function",
    "function": {
        "name": take("name"),
        "description": take("description"),
        "parameters": take(".", through=openai_parameters),
        "strict": take("strict"),
    },
}
CALL = {"id": take("id"), "type": "function", "function": {"name": take("name"), "arguments": ARGUMENTS}}
NONE_HOSTED = take("payload", through=runs_none)


def tools(function: Any, hosted: Any = NONE_HOSTED) -> When:
    """The body's tools: how a function is written, and how a tool that the provider runs itself."""
    return when("tools", take("tools", each=when("payload", hosted, function)))


def answer_form(schema: Take) -> When:
    """The body's `response_format`, for a schema written so."""
    form = {"name": take("schema.name"), "schema": schema, "strict": take("schema.strict")}
    return when("schema", {"type": "json_schema", "json_schema": form}, when("json_mode", {"type": "json_object"}))


OPTIONAL: Mapping[str, Mapping[str, Any]] = {
    "max_tokens": {"max_completion_tokens": None, "max_tokens": take("max_tokens")},
    "top_k": {"top_k": take("top_k")},
    "seed": {"seed": take("seed")},
    "penalties": {
        "presence_penalty": take("presence_penalty"),
        "frequency_penalty": take("frequency_penalty"),
    },
    "logprobs": {
        "logprobs": take("logprobs", default=when("top_logprobs", True)),
        "top_logprobs": take("top_logprobs"),
    },
    "strict_schema": {"response_format": answer_form(take("schema", through=openai_output))},
    "strict_tools": {"tools": tools(STRICT_FUNCTION)},
    "hosted_tools": {"tools": tools(STRICT_FUNCTION, take("payload"))},
    "parallel_tool_calls": {"parallel_tool_calls": take("parallel_tool_calls")},
    "reasoning": {"reasoning_effort": take("reasoning", through=effort(*LEVELS, off="none"))},
    "verbosity": {"verbosity": take("verbosity")},
    "service_tier": {"service_tier": take("service_tier")},
    "user": {"user": take("user")},
    "metadata": {"metadata": take("metadata")},
}
"""What some servers of the family take and some do not.

`max_tokens` is the field's older name; `strict_schema` rewrites a schema to what OpenAI's strict mode takes of one, and
`strict_tools` the parameters of strict functions; `hosted_tools` are the provider's own tools, beside such functions.
"""

TEXT_RESULT = apart({"role": "tool", "tool_call_id": take("id"), "content": take("text")})
"""A tool's result on servers that take only text in it."""

SOUND = {"type": "input_audio", "input_audio": {"data": take("media.data"), "format": take("media.format")}}

IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""The kinds of images that models of the family are shown."""

IMAGE = inside({"type": "image_url", "image_url": {"url": take("media.url"), "detail": take("detail")}})

OPENAI_CHAT = Dialect(
    name="openai_chat",
    docs="https://platform.openai.com/docs/api-reference/chat",
    path="/chat/completions",
    done="[DONE]",
    body={
        "model": take("model"),
        "messages": take("messages"),
        "max_completion_tokens": take("max_tokens"),
        "temperature": take("temperature"),
        "top_p": take("top_p"),
        "stop": take("stop"),
        "tools": tools(FUNCTION),
        "tool_choice": take(
            "tool_choice",
            values={
                "auto": "auto",
                "none": "none",
                "required": "required",
                ...: {"type": "function", "function": {"name": take("tool_choice")}},
            },
        ),
        "response_format": answer_form(take("schema.schema")),
        "stream": take("stream"),
        "stream_options": {"include_usage": when("stream", True)},
    },
    optional=OPTIONAL,
    media={ImageBlock: IMAGES},
    turns=Turns(call_ids="[!-~]{1,40}"),
    text_results=True,
    message={"role": take("role"), "content": take("content"), "name": take("name")},
    parts={
        TextBlock: inside({"type": "text", "text": take("text")}),
        ImageBlock: by_role(user=IMAGE),
        DocumentBlock: text_or(
            inside(
                {
                    "type": "file",
                    "file": when(
                        "file_id",
                        {"file_id": take("file_id")},
                        {
                            "filename": take("filename", default=take("media", through=file_name)),
                            "file_data": take("media.url"),
                        },
                    ),
                }
            )
        ),
        AudioBlock: inside(SOUND),
        ReasoningBlock: left_out(),
        OpaqueBlock: by_value("role", {"user": inside(take("payload"), own=True), ...: left_out()}),
        ToolCall: beside("tool_calls", CALL),
        ToolResult: apart({"role": "tool", "tool_call_id": take("id"), "content": take("content")}),
    },
    events=EVENTS,
    whole=WHOLE,
    failure=(
        ERROR,
        emit("failure", when="message", row="flat_failure", message="message", code="code", type="type"),
        emit("failure", when="detail", row="detail_failure", message="detail"),
    ),
    finish={
        "stop": "stop",
        "eos": "stop",
        "length": "length",
        "tool_calls": "tool_calls",
        "function_call": "tool_calls",
        "content_filter": "content_filter",
        "error": "error",
    },
    usage={
        "prompt_tokens": count("prompt"),
        "completion_tokens": count_unless_in_total("completion", "reasoning", beside="prompt", total="total"),
        "total_tokens": count("total"),
        "cache_read_tokens": count("cached"),
        "cache_write_tokens": count("cache_write"),
        "reasoning_tokens": count("reasoning"),
        "audio_prompt_tokens": count("audio_in"),
        "audio_completion_tokens": count("audio_out"),
    },
    complete=("finish", "[DONE]"),
    end=("[DONE]",),
    errors=(
        fault(error.QuotaExceededError, "insufficient_quota", "billing_hard_limit_reached", stands_for=429),
        fault(
            error.ContextLengthError,
            "context_length_exceeded",
            "exceed_context_size_error",
            "max_tokens_exceeded",
            "token_limit_exceeded",
            stands_for=400,
        ),
        fault(
            error.ContextLengthError,
            status=(400, 413, 422),
            says=r"maximum context length|context (length|window|size)|too many (input )?tokens|prompt is too long",
        ),
        fault(
            error.ContentFilterError,
            "content_filter",
            "content_policy_violation",
            "ResponsibleAIPolicyViolation",
            "image_content_policy_violation",
        ),
        fault(error.AuthenticationError, "invalid_api_key", "authentication_error", stands_for=401),
        fault(error.ModelNotFoundError, "model_not_found", "model_not_exist", stands_for=404),
        fault(error.RateLimitError, "rate_limit_exceeded", "too_many_requests", "no_capacity", stands_for=429),
        fault(
            error.ServiceUnavailableError,
            "server_error",
            "api_error",
            "internal_error",
            "overloaded_error",
            stands_for=500,
        ),
        fault(error.ServiceUnavailableError, "timeout", "slow_down", "service_unavailable", stands_for=503),
        fault(error.InvalidRequestError, "invalid_request_error", stands_for=400),
    ),
    model_list=Endpoint("/models", "GET", items="data", value="id"),
    embeddings=Endpoint(
        "/embeddings",
        body={"model": take("model"), "input": take("texts"), "dimensions": take("dimensions")},
        items="data",
        value="embedding",
        tokens="usage.prompt_tokens",
    ),
    response_headers=ResponseHeaders(
        limits={
            "limit_requests": ("x-ratelimit-limit-requests",),
            "remaining_requests": ("x-ratelimit-remaining-requests",),
            "reset_requests": ("x-ratelimit-reset-requests",),
            "limit_tokens": ("x-ratelimit-limit-tokens",),
            "remaining_tokens": ("x-ratelimit-remaining-tokens",),
            "reset_tokens": ("x-ratelimit-reset-tokens",),
        }
    ),
)
