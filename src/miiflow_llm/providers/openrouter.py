"""OpenRouter: a gateway that speaks the OpenAI Chat format for every maker's models.

Reasoning comes twice: as plain text, and as details (signed or encrypted) that go back as they came.
"""

import msgspec

from ..core import exceptions as error
from ..core.messages import OpaqueBlock, TextBlock
from ..dialects.openai_chat import OPENAI_CHAT
from ..dialects.openai_responses import LOGPROBS, OPENAI_RESPONSES
from ..tables import (
    Also,
    BaseUrlFrom,
    Continuation,
    Each,
    Provider,
    ResponseHeaders,
    Rows,
    Rule,
    beside,
    by_model,
    by_value,
    each,
    emit,
    fault,
    inside,
    json,
    merge,
    other_than,
    take,
    when,
)
from ..tables.cache_marks import lifetime
from ..tables.reasoning import LEVELS, OFF, tokens
from ._batches import OPENROUTER

ENCRYPTED = "reasoning.encrypted"


def choices(said: str) -> Each:
    """What a choice holds beyond the base format: details of its reasoning."""
    return each(
        "choices",
        each(
            f"{said}.reasoning_details",
            emit("opaque", json("."), where=("type", ENCRYPTED), row="encrypted_reasoning"),
            emit(
                "opaque",
                json("."),
                merge=merge("type", "index", joined=("text", "summary", "arguments")),
                where=("type", other_than(ENCRYPTED)),
                row="reasoning_details",
            ),
        ),
        where=("index", 0),
    )


REASONING = take(
    "reasoning",
    values={
        OFF: {"enabled": False},
        0: {"enabled": False},
        **{level: {"effort": level} for level in LEVELS},
        ...: {"max_tokens": take("reasoning", through=tokens)},
    },
)

CACHED = when("cache", {"type": "ephemeral", "ttl": take("cache", through=lifetime("5m", "1h"))})

ERRORS = (
    fault(error.QuotaExceededError, "payment_required", stands_for=402),
    fault(error.ModelNotFoundError, "not_found", stands_for=404),
    fault(error.ModelNotFoundError, status=(400, 404), says="not a valid model ID|No endpoints found"),
    fault(error.ContextLengthError, "string_too_long", stands_for=400),
    fault(error.ContentFilterError, "refusal", stands_for=403),
    fault(error.ContentFilterError, status=403, says="moderation|flagged"),
    fault(error.AuthenticationError, "authentication", stands_for=401),
    fault(error.PermissionDeniedError, "permission_denied", stands_for=403),
    fault(error.ServiceUnavailableError, "provider_overloaded", "provider_unavailable", "server", stands_for=503),
    fault(error.InvalidRequestError, "invalid_request", "invalid_prompt", "unprocessable", stands_for=400),
)

RESPONSE_HEADERS = ResponseHeaders(
    request_id=("x-generation-id", "x-request-id"),
    limits={
        "limit_requests": ("x-ratelimit-limit",),
        "remaining_requests": ("x-ratelimit-remaining",),
        "reset_requests": ("x-ratelimit-reset",),
    },
)


def costs(at: str) -> tuple[Rule, Rule]:
    """What the call cost, in USD: with a key of the caller's own at the provider behind, its bill comes on top."""
    return (
        emit("usage", row="cost", cost=f"{at}.cost"),
        emit(
            "usage",
            row="own_key_cost",
            where=(f"{at}.is_byok", True),
            upstream=f"{at}.cost_details.upstream_inference_cost",
            unproven="the sheet has `is_byok`; no recording was made with a key of the caller's own",
        ),
    )


PROVIDER = Provider(
    name="openrouter",
    dialect=OPENAI_CHAT,
    base_url="https://openrouter.ai/api/v1",
    docs="https://openrouter.ai/docs/api-reference",
    env=("OPENROUTER_API_KEY", "OR_API_KEY"),
    base_url_env=(BaseUrlFrom("OPENROUTER_BASE_URL"), BaseUrlFrom("OPENROUTER_API_BASE")),
    headers_env={
        "http-referer": ("OPENROUTER_HTTP_REFERER", "OR_SITE_URL"),
        "x-openrouter-title": ("OPENROUTER_X_OPEN_ROUTER_TITLE", "OR_APP_NAME"),
    },
    example_model="openai/gpt-oss-20b",
    batch=OPENROUTER,
    embeddings=msgspec.structs.replace(OPENAI_CHAT.embeddings, cost="usage.cost"),
    shared=Rows(
        errors=ERRORS,
        response_headers=RESPONSE_HEADERS,
        costs={"cost": 1.0, "upstream": 1.0},
        continues={"": Continuation("it depends on which server behind OpenRouter is asked")},
    ),
    takes=(
        "top_k",
        "seed",
        "penalties",
        "logprobs",
        "strict_schema",
        "hosted_tools",
        "parallel_tool_calls",
        "verbosity",
        "service_tier",
        "user",
        "metadata",
    ),
    body={"reasoning": REASONING},
    parts={
        TextBlock: inside({"type": "text", "text": take("text"), "cache_control": CACHED}),
        OpaqueBlock: by_value(
            "role",
            {
                "user": inside(take("payload"), own=True),
                ...: beside("reasoning_details", take("payload"), own="model"),
            },
        ),
    },
    more_events=(choices("delta"), *costs("usage")),
    more_whole=(choices("message"), *costs("usage")),
    also=(
        Also(
            dialect=OPENAI_RESPONSES,
            batch=msgspec.structs.replace(OPENROUTER, endpoint="/v1/responses"),
            takes=(
                "strict_schema",
                "strict_tools",
                "top_k",
                "stop",
                "penalties",
                "logprobs",
                "parallel_tool_calls",
                "verbosity",
                "service_tier",
                "user",
                "metadata",
            ),
            body={
                "reasoning": REASONING,
                "include": [
                    by_model({r"openai/(o\d|gpt-(5(?!-chat)|6))|x-ai/": "reasoning.encrypted_content"}),
                    LOGPROBS,
                ],
            },
            more_events=costs("response.usage"),
            more_whole=costs("usage"),
        ),
    ),
)
