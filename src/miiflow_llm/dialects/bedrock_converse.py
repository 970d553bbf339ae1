"""AWS Bedrock's Converse and ConverseStream: one format for the models of many makers.

Content is blocks of one key each; a stream opens only those of calls; text and reasoning begin with their first piece.
Usage comes after the reason for the end, so a stream is read to its last byte.
"""

from __future__ import annotations

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
    Place,
    ResponseHeaders,
    Turns,
    by_model,
    by_value,
    const,
    count,
    each,
    emit,
    exists,
    fault,
    first,
    inside,
    json,
    not_offered,
    other_than,
    position,
    take,
    when,
)
from ..tables.cache_marks import first_and_last_marks, lifetime
from ..tables.ids import nine, within_64
from ..tables.reasoning import effort
from ._anthropic_models import EFFORT, THINKING
from ._bedrock_models import (
    CLAUDE,
    CONTINUES,
    DROPS,
    GPT_OSS,
    MISTRAL,
    NEVER_CACHES,
    NOVA,
    NOVA_2,
    STRUCTURED,
    of_claude,
)
from ._bedrock_request import (
    audio_source,
    claudes_budget,
    declared_tools,
    document_format,
    document_source,
    document_words,
    image,
    marks_after_results,
    named_documents,
    never_none,
    not_blank,
    output_schema,
)
from .schema_subsets import ANTHROPIC_STRICT, anthropic_function

SYSTEM_TOOL = "server_tool_use"
"""What Bedrock runs itself is progress: no call of the caller's, and nothing of it goes back."""

CACHED = by_model(
    {
        NEVER_CACHES: None,
        "": when("cache", {"cachePoint": {"type": "default", "ttl": take("cache", through=lifetime("5m", "1h"))}}),
    }
)

TEXT = {"text": take("text", through=not_blank)}

ID = by_model({MISTRAL: take("id", through=nine), "": take("id", through=within_64)})

REASONING = when(
    "data",
    {"reasoningContent": {"redactedContent": take("data")}},
    when(
        "signature",
        {"reasoningContent": {"reasoningText": {"text": take("text"), "signature": take("signature")}}},
    ),
)
"""Reasoning without its signature is taken by no model that signs, and asked for by none that does not."""

BYTES = take("media", through=document_source)


def document(source: Any) -> Place:
    """The place of a document that is told by `source`."""
    said = {
        "format": take("media", through=document_format),
        "name": take("filename"),
        "source": source,
        "citations": when("citations", {"enabled": True}),
    }
    return inside([{"document": said}, CACHED])


USAGE = emit(
    "usage",
    when="usage",
    input="usage.inputTokens",
    output="usage.outputTokens",
    cache_read="usage.cacheReadInputTokens",
    cache_write="usage.cacheWriteInputTokens",
)

KEPT = each(
    "usage.cacheDetails",
    emit(
        "usage",
        row="kept_an_hour",
        where=("ttl", "1h"),
        cache_write_1h="inputTokens",
        unproven="the reference's CacheDetail; no recording writes for an hour",
    ),
)

ERROR = emit(
    "failure",
    when=first("message", "Message", "__type"),
    message=first("message", "Message"),
    code="__type",
    details="originalMessage",
)

BEDROCK_CONVERSE = Dialect(
    name="bedrock_converse",
    docs="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
    path="/model/{model}/converse",
    stream_path="/model/{model}/converse-stream",
    framing="aws_eventstream",
    system="hoist",
    merge=True,
    plain=False,
    roles={"tool": "user"},
    prepare=(claudes_budget, marks_after_results, first_and_last_marks, named_documents, declared_tools),
    body={
        "system": take("system_blocks", each=[TEXT, CACHED], default=[{"text": take("system", through=not_blank)}]),
        "messages": take("messages"),
        "inferenceConfig": {
            "maxTokens": take("max_tokens"),
            "temperature": take("temperature"),
            "topP": take("top_p"),
            "stopSequences": take("stop"),
        },
        "toolConfig": {
            "tools": take(
                "tools",
                each=[
                    when(
                        "payload",
                        take("payload"),
                        {
                            "toolSpec": {
                                "name": take("name"),
                                "description": when("description", take("description")),
                                "inputSchema": {"json": take(".", through=anthropic_function)},
                                "strict": take("strict"),
                            }
                        },
                    ),
                    CACHED,
                ],
            ),
            "toolChoice": take(
                "tool_choice",
                values={
                    "auto": {"auto": {}},
                    "none": take("tool_choice", through=never_none),
                    "required": {"any": {}},
                    ...: {"tool": {"name": take("tool_choice")}},
                },
            ),
        },
        "outputConfig": {
            "textFormat": when(
                "schema",
                {
                    "type": "json_schema",
                    "structure": {
                        "jsonSchema": {"name": take("schema.name"), "schema": take("schema", through=output_schema)}
                    },
                },
            )
        },
        "additionalModelRequestFields": {
            "thinking": by_model(of_claude(THINKING.templates)),
            "output_config": {"effort": by_model(of_claude(EFFORT.templates))},
            "top_k": by_model({CLAUDE: take("top_k")}),
            "inferenceConfig": {"topK": by_model({NOVA: take("top_k")})},
            "reasoningConfig": by_model(
                {
                    NOVA_2: take(
                        "reasoning",
                        values={
                            "off": {"type": "disabled"},
                            0: {"type": "disabled"},
                            ...: {
                                "type": "enabled",
                                "maxReasoningEffort": take("reasoning", through=effort("low", "medium", "high")),
                            },
                        },
                    )
                }
            ),
            "reasoning_effort": by_model({GPT_OSS: take("reasoning", through=effort("low", "medium", "high"))}),
        },
        "serviceTier": {
            "type": take("service_tier", values={"auto": None, "standard": "default", ...: take("service_tier")})
        },
        "requestMetadata": take("metadata"),
    },
    message={"role": take("role"), "content": take("parts")},
    turns=Turns(
        blank=False,
        begins_with_user=True,
    ),
    media={ImageBlock: ("image/png", "image/jpeg", "image/gif", "image/webp")},
    parts={
        TextBlock: inside([TEXT, CACHED]),
        ImageBlock: inside([{"image": take("media", through=image)}, CACHED]),
        DocumentBlock: by_value(
            "document_type",
            {"text": document(when("citations", take("media", through=document_words), BYTES)), ...: document(BYTES)},
        ),
        AudioBlock: inside(
            [{"audio": {"format": take("media.format"), "source": take("media", through=audio_source)}}]
        ),
        ReasoningBlock: inside(REASONING, own="model"),
        OpaqueBlock: inside(take("payload"), own=True),
        ToolCall: inside([{"toolUse": {"toolUseId": ID, "name": take("name"), "input": take("input")}}, CACHED]),
        ToolResult: inside(
            [
                {
                    "toolResult": {
                        "toolUseId": ID,
                        "content": take("parts"),
                        "status": by_model({rf"{CLAUDE}|{NOVA}": when("is_error", "error")}),
                    }
                },
                CACHED,
            ]
        ),
    },
    events=(
        emit("meta", when="role", starts=const(True)),
        emit(
            "tool_call",
            where=("start.toolUse.type", other_than(SYSTEM_TOOL)),
            index="contentBlockIndex",
            id="start.toolUse.toolUseId",
            name="start.toolUse.name",
            arguments=json("start.toolUse.input", skip_empty=True),
            when=exists("start.toolUse"),
            row="tool_call_start",
        ),
        emit(
            "progress",
            const("a system tool"),
            block="contentBlockIndex",
            when="start.toolUse.type",
            where=("start.toolUse.type", SYSTEM_TOOL),
            row="system_tool",
        ),
        emit("progress", const("a system tool's result"), when="start.toolResult", row="system_tool_result"),
        emit("reasoning", "delta.reasoningContent.text", block="contentBlockIndex"),
        emit(
            "reasoning",
            when="delta.reasoningContent.signature",
            signature="delta.reasoningContent.signature",
            block="contentBlockIndex",
            row="signature",
        ),
        emit(
            "reasoning",
            data="delta.reasoningContent.redactedContent",
            block="contentBlockIndex",
            row="redacted_reasoning",
        ),
        emit("text", "delta.text", block="contentBlockIndex"),
        emit(
            "tool_call",
            when="delta.toolUse.input",
            index="contentBlockIndex",
            arguments="delta.toolUse.input",
            row="input",
        ),
        emit("citation", "delta.citation"),
        emit("finish", "stopReason"),
        USAGE,
        KEPT,
        ERROR,
    ),
    whole=(
        each(
            "output.message.content",
            emit("text", in_full="text", block=position()),
            emit("reasoning", in_full="reasoningContent.reasoningText.text", block=position()),
            emit(
                "reasoning",
                when="reasoningContent.reasoningText.signature",
                signature="reasoningContent.reasoningText.signature",
                block=position(),
                row="signature",
            ),
            emit(
                "reasoning",
                data="reasoningContent.redactedContent",
                block=position(),
                row="redacted_reasoning",
            ),
            each("citationsContent.content", emit("text", in_full="text", row="cited_text")),
            emit("citation", in_full="citationsContent.citations"),
            emit(
                "tool_call",
                where=("toolUse.type", other_than(SYSTEM_TOOL)),
                when=exists("toolUse"),
                index=position(),
                id="toolUse.toolUseId",
                name="toolUse.name",
                in_full=json("toolUse.input"),
            ),
        ),
        emit("finish", "stopReason"),
        USAGE,
        KEPT,
        ERROR,
    ),
    failure=(ERROR,),
    finish={
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "tool_use": "tool_calls",
        "guardrail_intervened": "content_filter",
        "content_filtered": "content_filter",
        "malformed_model_output": "error",
        "malformed_tool_use": "error",
    },
    usage={
        "prompt_tokens": count("input", "cache_read", "cache_write"),
        "completion_tokens": count("output"),
        "cache_read_tokens": count("cache_read"),
        "cache_write_tokens": count("cache_write"),
        "cache_write_1h_tokens": count("cache_write_1h"),
    },
    errors=(
        fault(
            error.ContextLengthError,
            says=r"input tokens exceeded|input is too long|prompt is too long|exceeds the (model's )?context",
            stands_for=400,
        ),
        fault(error.InvalidRequestError, "ValidationException", "validationException", stands_for=400),
        fault(error.RateLimitError, "ThrottlingException", "throttlingException", stands_for=429),
        fault(error.ServiceUnavailableError, "ModelNotReadyException", stands_for=429),
        fault(error.QuotaExceededError, "ServiceQuotaExceededException", stands_for=400),
        fault(
            error.AuthenticationError,
            "UnrecognizedClientException",
            "InvalidSignatureException",
            "IncompleteSignatureException",
            "MissingAuthenticationTokenException",
            "ExpiredTokenException",
            "InvalidClientTokenId",
            stands_for=403,
        ),
        fault(error.AuthenticationError, status=403, says=r"security token|signature|api key|authentication"),
        fault(error.PermissionDeniedError, "AccessDeniedException", stands_for=403),
        fault(error.ModelNotFoundError, "ResourceNotFoundException", stands_for=404),
        fault(error.ServiceUnavailableError, "ModelTimeoutException", stands_for=408),
        fault(
            error.ServiceUnavailableError,
            "ModelErrorException",
            "ModelStreamErrorException",
            "modelStreamErrorException",
            stands_for=424,
        ),
        fault(
            error.ServiceUnavailableError,
            "InternalServerException",
            "internalServerException",
            "InternalFailure",
            stands_for=500,
        ),
        fault(
            error.ServiceUnavailableError,
            "ServiceUnavailableException",
            "serviceUnavailableException",
            stands_for=503,
        ),
    ),
    drops=DROPS,
    structured=STRUCTURED,
    continues=CONTINUES,
    output_subset=ANTHROPIC_STRICT,
    response_headers=ResponseHeaders(request_id=("x-amzn-requestid",), error_code=("x-amzn-errortype",)),
    model_list=not_offered("Bedrock lists its models at another address, that of the service bedrock; see its console"),
    embeddings=not_offered("Converse embeds no texts; use another provider"),
    token_count=Endpoint(
        "/model/{model}/count-tokens",
        body={
            "input": {
                "converse": {
                    "messages": take("chat.messages"),
                    "system": take("chat.system"),
                    "toolConfig": take("chat.toolConfig"),
                    "additionalModelRequestFields": take("chat.additionalModelRequestFields"),
                }
            }
        },
        tokens="inputTokens",
    ),
)
