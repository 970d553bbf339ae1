"""OpenAI Responses: `POST /responses`. A conversation and an answer are lists of items, not messages with content.

Text, summaries and arguments are read as they stream, all else of an item when it is done. What the provider's own
tools did is kept as it came, and goes back so.
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
    Take,
    Turns,
    When,
    apart,
    by_role,
    by_value,
    count,
    fault,
    inside,
    take,
    when,
)
from ..tables.media_parts import file_name
from ..tables.reasoning import LEVELS, effort, is_on
from ..tables.tool_parts import NO_PARAMETERS
from ._responses_reading import END, EVENTS, IGNORED, WHOLE
from .openai_chat import IMAGES, OPENAI_CHAT, SOUND
from .schema_subsets import openai_function, openai_output

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


LOGPROBS = when("logprobs", "message.output_text.logprobs", when("top_logprobs", "message.output_text.logprobs"))
SUMMARY = take("reasoning", through=is_on, values={True: "auto", False: None})
"""Reasoning that is asked for is asked to be shown too; no other form of it is given."""

TEXT = inside({"type": "input_text", "text": take("text")})
IMAGE = inside(
    when(
        "file_id",
        {"type": "input_image", "file_id": take("file_id"), "detail": take("detail")},
        {"type": "input_image", "image_url": take("media.url"), "detail": take("detail")},
    )
)
FILE = inside(
    when(
        "file_id",
        {"type": "input_file", "file_id": take("file_id")},
        when(
            "media.link",
            {"type": "input_file", "file_url": take("media.link")},
            {
                "type": "input_file",
                "filename": take("filename", default=take("media", through=file_name)),
                "file_data": take("media.url"),
            },
        ),
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


def tools(more: Mapping[str, Any]) -> When:
    """The body's tools; `more` is how a function's parameters are written."""
    function = {"type": "function", "name": take("name"), "description": take("description"), **more}
    return when("tools", take("tools", each=when("payload", take("payload"), function)))


def answer_form(schema: Take) -> When:
    """The form of the answer, for a schema written so."""
    form = {"type": "json_schema", "name": take("schema.name"), "schema": schema, "strict": take("schema.strict")}
    return when("schema", form, when("json_mode", {"type": "json_object"}))


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
        # `strict` left out means true, only on this wire
        "tools": tools({"parameters": take("parameters", default=NO_PARAMETERS), "strict": False}),
        "tool_choice": take(
            "tool_choice",
            values={
                "auto": "auto",
                "none": "none",
                "required": "required",
                ...: {"type": "function", "name": take("tool_choice")},
            },
        ),
        "reasoning": {"effort": take("reasoning", through=effort(*LEVELS, off="none")), "summary": SUMMARY},
        "text": {
            "format": answer_form(take("schema.schema")),
        },
        "stream": take("stream"),
    },
    optional={
        "strict_schema": {"text": {"format": answer_form(take("schema", through=openai_output))}},
        "strict_tools": {
            "tools": tools({"parameters": take(".", through=openai_function), "strict": take("strict", default=False)})
        },
        "top_k": {"top_k": take("top_k")},
        "seed": {"seed": take("seed")},
        "stop": {"stop": take("stop")},
        "penalties": {
            "presence_penalty": take("presence_penalty"),
            "frequency_penalty": take("frequency_penalty"),
        },
        "logprobs": {"top_logprobs": take("top_logprobs"), "include": [LOGPROBS]},
        "parallel_tool_calls": {"parallel_tool_calls": take("parallel_tool_calls")},
        "verbosity": {"text": {"verbosity": take("verbosity")}},
        "service_tier": {"service_tier": take("service_tier")},
        "user": {"safety_identifier": take("user")},
        "metadata": {"metadata": take("metadata")},
    },
    message={"role": take("role"), "content": take("content")},
    turns=Turns(call_ids="[!-~]{1,64}"),
    media={ImageBlock: IMAGES},
    parts={
        TextBlock: by_role(system=TEXT, user=TEXT, tool=TEXT, assistant=apart(SAID)),
        ImageBlock: by_role(user=IMAGE, tool=IMAGE),
        DocumentBlock: by_role(user=FILE, tool=FILE),
        AudioBlock: by_role(user=inside(SOUND)),
        # without its id the server does not know the item
        ReasoningBlock: apart(
            when(
                "id",
                {
                    "type": "reasoning",
                    "id": take("id"),
                    "summary": when("raw", [], when("text", [{"type": "summary_text", "text": take("text")}], [])),
                    "content": when("raw", [{"type": "reasoning_text", "text": take("text")}]),
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
    events=EVENTS,
    whole=WHOLE,
    failure=OPENAI_CHAT.failure,
    ignored=IGNORED,
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
    response_headers=OPENAI_CHAT.response_headers,
)

INPUT_TOKENS = Endpoint(
    "/responses/input_tokens",
    body={
        "model": take("model"),
        "input": take("chat.input"),
        "tools": take("chat.tools"),
        "tool_choice": take("chat.tool_choice"),
        "text": take("chat.text"),
        "reasoning": take("chat.reasoning"),
    },
    tokens="input_tokens",
)
"""Counting ahead, for those who offer it: OpenAI itself, and llama.cpp."""
