"""Mistral's chat format: `POST /chat/completions`, near OpenAI's in names and apart from it in content, ids and errors.

Content is a string or a list of parts, thinking among them; a tool call mostly comes whole, often without index or
type; content may follow the finish reason.
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
from ..tables import (
    Continuation,
    Dialect,
    Each,
    Endpoint,
    ResponseHeaders,
    RuleLike,
    Turns,
    apart,
    beside,
    but,
    by_model,
    by_value,
    count,
    count_unless_in_total,
    drop,
    each,
    emit,
    fault,
    first,
    inside,
    left_out,
    take,
    when,
)
from ..tables.ids import nine
from ..tables.media_parts import text_or
from ..tables.reasoning import effort
from ..tables.tool_parts import ARGUMENTS
from ._chat_reading import CHOICE_ERROR, DELTA, FINISH, MESSAGE, RETOLD_MESSAGE, calls, words
from ._chat_reading import ERROR as ERROR_OF_THE_FAMILY
from .schema_subsets import openai_function, openai_output

NEVER_REASONS = r"(open-)?(mi(nis|x)tral|codestral|voxtral|pixtral|devstral|mistral-(tiny|nemo|large-(latest|2)))"


def parts(at: str) -> Each:
    """The rules for what only Mistral has in content that is a list."""
    return each(
        f"{at}.content",
        emit(
            "reasoning",
            when="signature",
            signature="signature",
            row="thinking_signature",
            unproven="the SDK's thinking chunk has the field; no recorded model fills it",
        ),
        emit(
            "citation",
            "reference_ids",
            where=("type", "reference"),
            unproven="references come with documents in the prompt; no recorded request has them",
        ),
    )


META = emit("meta", when=first("id", "model"), id="id", model="model")

USAGE = emit(
    "usage",
    when="usage",
    prompt="usage.prompt_tokens",
    completion="usage.completion_tokens",
    total="usage.total_tokens",
    cached=first(
        "usage.num_cached_tokens",
        "usage.prompt_tokens_details.cached_tokens",
        "usage.prompt_token_details.cached_tokens",
    ),
    reasoning="usage.completion_tokens_details.reasoning_tokens",
    audio="usage.prompt_tokens_details.audio_tokens",
)

ERROR = emit(
    "failure", where=("object", "error"), message="message", code="code", type="type", status="raw_status_code"
)


def choices(*said: RuleLike) -> Each:
    """The rules for the first choice."""
    return each("choices", *said, FINISH, CHOICE_ERROR, where=("index", 0))


MISTRAL_CHAT = Dialect(
    name="mistral_chat",
    docs="https://docs.mistral.ai/api",
    path="/chat/completions",
    done="[DONE]",
    body={
        "model": take("model"),
        "messages": take("messages"),
        "max_tokens": take("max_tokens"),
        "temperature": take("temperature"),
        # greedy sampling is refused with any other
        "top_p": take("top_p", default=take("temperature", values={0: 1, ...: None})),
        "stop": take("stop"),
        "random_seed": take("seed"),
        "presence_penalty": take("presence_penalty"),
        "frequency_penalty": take("frequency_penalty"),
        "tools": take(
            "tools",
            each=when(
                "payload",
                take("payload"),
                {
                    "type": "function",
                    "function": {
                        "name": take("name"),
                        "description": take("description"),
                        "parameters": take(".", through=openai_function),
                        "strict": take("strict"),
                    },
                },
            ),
        ),
        "tool_choice": take(
            "tool_choice",
            values={
                "auto": "auto",
                "none": "none",
                "required": "any",
                ...: {"type": "function", "function": {"name": take("tool_choice")}},
            },
        ),
        "parallel_tool_calls": take("parallel_tool_calls"),
        "reasoning_effort": by_model(
            {
                rf"magistral|{NEVER_REASONS}": None,
                "mistral-(small|medium)": take("reasoning", through=effort("high", off="none")),
                "zai-glm": take("reasoning", through=effort("low", "high", "max")),
                "mistral-large": take("reasoning", through=effort("low", "medium", "high")),
                "": take("reasoning", through=effort("low", "medium", "high", off="none")),
            }
        ),
        "prompt_mode": by_model({"magistral": take("reasoning", values={"off": None, 0: None, ...: "reasoning"})}),
        "response_format": when(
            "schema",
            {
                "type": "json_schema",
                "json_schema": {
                    "name": take("schema.name"),
                    "schema": take("schema", through=openai_output),
                    "strict": take("schema.strict"),
                },
            },
            when("json_mode", {"type": "json_object"}),
        ),
        "service_tier": take("service_tier"),
        "metadata": take("metadata"),
        "stream": take("stream"),
    },
    # an assistant's turn at the end is refused unless it is marked as the beginning of the answer
    message={
        "role": take("role"),
        "content": take("content"),
        "prefix": take("role", values={"assistant": when("last", True), ...: None}),
    },
    turns=Turns(after_results=NEVER_REASONS),
    continues={"": Continuation(repeats=True)},
    media={ImageBlock: ("image/png", "image/jpeg", "image/gif", "image/webp")},
    parts={
        TextBlock: inside({"type": "text", "text": take("text")}),
        ImageBlock: inside(
            {
                "type": "image_url",
                "image_url": when("detail", {"url": take("media.url"), "detail": take("detail")}, take("media.url")),
            }
        ),
        DocumentBlock: text_or(
            inside(
                when(
                    "file_id",
                    {"type": "file", "file_id": take("file_id")},
                    {"type": "document_url", "document_url": take("media.url"), "document_name": take("filename")},
                )
            )
        ),
        AudioBlock: inside({"type": "input_audio", "input_audio": take("media.data")}),
        ReasoningBlock: inside(
            {
                "type": "thinking",
                "thinking": [{"type": "text", "text": take("text")}],
                "closed": True,
                "signature": take("signature"),
            },
            own="model",
        ),
        OpaqueBlock: by_value("role", {"user": inside(take("payload"), own=True), ...: left_out()}),
        ToolCall: beside(
            "tool_calls",
            {
                "id": take("id", through=nine),
                "type": "function",
                "function": {"name": take("name"), "arguments": ARGUMENTS},
            },
        ),
        ToolResult: apart(
            {
                "role": "tool",
                "tool_call_id": take("id", through=nine),
                "name": take("name"),
                "content": take("content"),
            }
        ),
    },
    events=(
        META,
        choices(
            *words(DELTA),
            parts("delta"),
            *calls(DELTA),
            *words(RETOLD_MESSAGE),
            parts("message"),
            *calls(RETOLD_MESSAGE),
        ),
        USAGE,
        ERROR,
        ERROR_OF_THE_FAMILY,
    ),
    whole=(
        META,
        choices(*words(MESSAGE), parts("message"), *calls(MESSAGE)),
        USAGE,
        ERROR,
        ERROR_OF_THE_FAMILY,
    ),
    failure=(
        emit(
            "failure",
            message="message",
            code="code",
            type="type",
            status="raw_status_code",
            request_id="request_id",
        ),
        emit("failure", message="detail", row="detail_failure"),
    ),
    finish={
        "stop": "stop",
        "length": "length",
        "model_length": "length",
        "tool_calls": "tool_calls",
        "content_filter": "content_filter",
        "error": "error",
    },
    usage={
        "prompt_tokens": count_unless_in_total("prompt", "audio", beside="completion", total="total"),
        "completion_tokens": count("completion"),
        "total_tokens": count("total"),
        "cache_read_tokens": count("cached"),
        "reasoning_tokens": count("reasoning"),
    },
    complete=("finish", "[DONE]"),
    end=("[DONE]",),
    errors=(
        fault(
            error.ContextLengthError,
            status=(400, 422),
            says=r"maximum context length|too large for model|context (length|window)|too many tokens",
        ),
        fault(error.ModelNotFoundError, "unknown_model", "invalid_model", stands_for=404),
        fault(error.ModelNotFoundError, status=(400, 404), says="^(invalid|unknown) model"),
        fault(error.RateLimitError, "rate_limited", "rate_limit_error", stands_for=429),
        fault(error.RateLimitError, status=429, says="capacity exceeded"),
        fault(error.AuthenticationError, "authentication_error", stands_for=401),
        fault(error.ServiceUnavailableError, "server_error", "internal_server_error", stands_for=500),
        fault(error.InvalidRequestError, "invalid_request_error", stands_for=400),
    ),
    drops=(
        drop(
            "reasoning",
            models=NEVER_REASONS,
            unless={"reasoning": ("off", 0)},
            reason="this model does not reason; choose one that does, as mistral-medium-latest or mistral-large-4",
        ),
        drop(
            "top_p",
            unless={"temperature": but(0), "top_p": (1,)},
            reason="beside temperature=0 it can only be 1; leave one of the two out",
        ),
        drop("logprobs", "top_logprobs", reason="Mistral's own models give none"),
    ),
    model_list=Endpoint("/models", "GET", items="data", value="id"),
    embeddings=Endpoint(
        "/embeddings",
        body={"model": take("model"), "input": take("texts"), "output_dimension": take("dimensions")},
        items="data",
        value="embedding",
        tokens="usage.prompt_tokens",
    ),
    response_headers=ResponseHeaders(
        request_id=("mistral-correlation-id", "x-kong-request-id", "x-request-id"),
        limits={
            "limit_requests": ("x-ratelimit-limit-req-minute", "x-ratelimit-limit-requests"),
            "remaining_requests": ("x-ratelimit-remaining-req-minute", "x-ratelimit-remaining-requests"),
            "limit_tokens": ("x-ratelimit-limit-tokens-minute", "x-ratelimitbysize-limit-minute"),
            "remaining_tokens": ("x-ratelimit-remaining-tokens-minute", "x-ratelimitbysize-remaining-minute"),
            "reset_tokens": ("ratelimitbysize-reset",),
        },
    ),
)
