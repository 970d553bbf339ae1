"""Gemini generateContent, as the Gemini API and Vertex speak it: `POST /models/{model}:generateContent`.

A stream's frames are whole answers in small: the same rules read both. Parts tell their kind by their keys.
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
    Dialect,
    Endpoint,
    First,
    Rule,
    Turns,
    absent,
    at_most,
    by_model,
    const,
    count,
    drop,
    each,
    emit,
    exists,
    fault,
    first,
    inside,
    json,
    position,
    take,
    when,
)
from ..tables.tool_parts import are_mixed, functions_together
from ._gemini_request import (
    answers_in_order,
    bare_model,
    declared,
    full_name,
    gemma_system,
    media_after_results,
    media_part,
    media_parts,
    mode,
    response_object,
    text_of,
    thinking_budget,
    thinking_level,
    validated,
)
from .schema_subsets import gemini_schema


def in_details(path: str) -> First:
    """`path` in whichever of the error's details has it; their order is not fixed."""
    return first(*(f"error.details[{place}].{path}" for place in range(6)))


ERROR = emit(
    "failure",
    when="error",
    message=first("error.message", "error"),
    code=first(*in_details("reason").paths, "error.status"),
    type="error.status",
    status="error.code",
    retry_after=in_details("retryDelay"),
    details=json("error.details"),
)

PARTS = each(
    "content.parts",
    emit("reasoning", "text", when=exists("text"), signature="thoughtSignature", where=("thought", True)),
    emit("text", "text", when=exists("text"), signature="thoughtSignature", where=("thought", False)),
    emit(
        "tool_call",
        when="functionCall",
        id="functionCall.id",
        name="functionCall.name",
        arguments=json("functionCall.args"),
        whole=const(True),
        place=position(),
        signature="thoughtSignature",
        item_id="functionCall.id",
    ),
    emit(
        "failure",
        when="functionCall.partialArgs",
        message=const("arguments in pieces are not read: leave out streamFunctionCallArguments"),
        code=const("partial_args"),
        row="partial_args",
        unproven="comes only when a request opts in through extra_body (sheet, section 4)",
    ),
    emit("opaque", json(".", skip_empty=True), when=absent("text", "functionCall")),
)
"""Code that ran, its results, media and the calls of server tools have no unified form: they are kept as they came, and
echoed."""


def audio(counter: str) -> Rule:
    """The tokens of sound among those of a list by modality."""
    return emit(
        "usage",
        row=counter,
        where=("modality", "AUDIO"),
        unproven="the reference's ModalityTokenCount; no recording has sound",
        **{counter: "tokenCount"},
    )


READ = (
    emit("meta", when=first("responseId", "modelVersion"), id="responseId", model="modelVersion"),
    each(
        "candidates",
        PARTS,
        emit("citation", "citationMetadata.citationSources", row="citation_sources"),
        emit("citation", "citationMetadata.citations", row="citations"),
        emit("citation", "groundingMetadata", row="grounding"),
        emit("citation", "urlContextMetadata.urlMetadata", row="url_context"),
        emit("logprobs", "logprobsResult"),
        emit("finish", "finishReason", message="finishMessage"),
        where=("index", 0),
    ),
    emit("finish", "promptFeedback.blockReason", unified=const("content_filter"), row="blocked"),
    emit(
        "usage",
        when="usageMetadata",
        prompt="usageMetadata.promptTokenCount",
        tool_use="usageMetadata.toolUsePromptTokenCount",
        candidates="usageMetadata.candidatesTokenCount",
        thoughts="usageMetadata.thoughtsTokenCount",
        cached="usageMetadata.cachedContentTokenCount",
        total="usageMetadata.totalTokenCount",
    ),
    each("usageMetadata.promptTokensDetails", audio("audio_in")),
    each("usageMetadata.candidatesTokensDetails", audio("audio_out")),
    ERROR,
)

TOOL = {
    "name": take("name"),
    "description": when("description", take("description")),
    "parametersJsonSchema": take("parameters", through=declared),
}

TOOLS = when("declarations", {"functionDeclarations": take("declarations", each=TOOL)}, take("payload"))

CHOICE = take(
    "tool_choice",
    values={
        "auto": {"mode": take("tools", through=mode, default="AUTO")},
        "none": {"mode": "NONE"},
        "required": {"mode": "ANY"},
        ...: {"mode": "ANY", "allowedFunctionNames": [take("tool_choice")]},
    },
    default={"mode": take("tools", through=validated)},
)

LEVELS = thinking_level("low", "medium", "high")
NEVER_THINKS = r"gemini-(1|2\.0|2\.5-.*(image|tts))|gemma-[123]"

BEFORE_3 = r"gemini-[12]|gemma-[123]"

THINKING = by_model(
    {
        NEVER_THINKS: None,
        r"gemini-2\.5-pro": take("reasoning", through=thinking_budget(128, 32768, off=False)),
        r"gemini-2\.5-flash-lite": take("reasoning", through=thinking_budget(512, 24576, off=True)),
        r"gemini-2\.5": take("reasoning", through=thinking_budget(1, 24576, off=True)),
        r"gemini-3-pro": take("reasoning", through=thinking_level("low", "high")),
        r"gemini-3\.1-pro|gemini-3\.[78]-flash": take("reasoning", through=LEVELS),
        r"gemini-3": take("reasoning", through=thinking_level("minimal", "low", "medium", "high")),
        r"gemini-4-hydrogen": take("reasoning", through=thinking_level("low", "medium", "high", "xhigh")),
        "": take("reasoning", through=LEVELS),
    }
)
"""Gemini 2.5 thinks by budget, later ones by level; a name that says no family is taken for the newest."""

FOREIGN = by_model({r"gemini-[12]|gemma": None, "": when("leads", "skip_thought_signature_validator")})
"""Since Gemini 3 the first call of a turn must be signed; one that this model did not make says so instead."""

GEMINI_GENERATE = Dialect(
    name="gemini_generate",
    docs="https://ai.google.dev/api/generate-content",
    path="/models/{model}:generateContent",
    stream_path="/models/{model}:streamGenerateContent?alt=sse",
    system="hoist",
    merge=True,
    plain=False,
    roles={"assistant": "model", "tool": "user"},
    tool_names="[A-Za-z_][A-Za-z0-9_.:-]{0,127}",
    prepare=(bare_model, gemma_system, answers_in_order, media_after_results),
    body={
        "systemInstruction": {"parts": [{"text": take("system")}]},
        "contents": take("messages"),
        "tools": take("tools", through=functions_together, each=TOOLS),
        "toolConfig": {
            "functionCallingConfig": CHOICE,
            "includeServerSideToolInvocations": by_model({r"gemini-[12]": None, "": take("tools", through=are_mixed)}),
        },
        "generationConfig": {
            "maxOutputTokens": take("max_tokens"),
            "temperature": take("temperature"),
            "topP": take("top_p"),
            "topK": take("top_k"),
            "stopSequences": take("stop"),
            "seed": take("seed"),
            "presencePenalty": take("presence_penalty"),
            "frequencyPenalty": take("frequency_penalty"),
            "responseLogprobs": take("logprobs", default=when("top_logprobs", True)),
            "logprobs": take("top_logprobs"),
            "thinkingConfig": THINKING,
            "responseMimeType": when("schema", "application/json", when("json_mode", "application/json")),
            "responseJsonSchema": take("schema.schema", through=gemini_schema),
        },
        "serviceTier": take("service_tier", values={"auto": None, "default": "standard", ...: take("service_tier")}),
        "labels": take("metadata"),
    },
    message={"role": take("role"), "parts": take("parts")},
    turns=Turns(begins_with_user=True),
    media={ImageBlock: ("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif")},
    max_media=100 << 20,
    parts={
        TextBlock: inside({"text": take("text"), "thoughtSignature": take("signature")}),
        ImageBlock: inside(take("media", through=media_part)),
        DocumentBlock: inside(take("media", through=media_part)),
        AudioBlock: inside(take("media", through=media_part)),
        ReasoningBlock: inside(
            when("signature", {"text": take("text"), "thought": True, "thoughtSignature": take("signature")}),
            own="model",
        ),
        OpaqueBlock: inside(take("payload"), own="model"),
        ToolCall: inside(
            {
                "functionCall": {"id": take("item_id"), "name": take("name"), "args": take("input")},
                "thoughtSignature": take("signature", default=FOREIGN),
            }
        ),
        ToolResult: inside(
            {
                "functionResponse": {
                    "id": take("item_id"),
                    "name": take("name"),
                    "response": when(
                        "is_error",
                        {"error": take("parts", through=text_of)},
                        take("parts", through=response_object),
                    ),
                    "parts": take("parts", through=media_parts),
                }
            }
        ),
    },
    events=READ,
    whole=READ,
    failure=(ERROR,),
    finish={
        "STOP": "stop",
        "MAX_TOKENS": "length",
        "CONTINUATION": "length",
        "SAFETY": "content_filter",
        "RECITATION": "content_filter",
        "BLOCKLIST": "content_filter",
        "PROHIBITED_CONTENT": "content_filter",
        "SPII": "content_filter",
        "LANGUAGE": "content_filter",
        "MODEL_ARMOR": "content_filter",
        "IMAGE_SAFETY": "content_filter",
        "IMAGE_PROHIBITED_CONTENT": "content_filter",
        "IMAGE_RECITATION": "content_filter",
        "MALFORMED_FUNCTION_CALL": "error",
        "UNEXPECTED_TOOL_CALL": "error",
        "TOO_MANY_TOOL_CALLS": "error",
        "MISSING_THOUGHT_SIGNATURE": "error",
        "MALFORMED_RESPONSE": "error",
        "NO_IMAGE": "error",
        "IMAGE_OTHER": "error",
        "OTHER": "unknown",
        "FINISH_REASON_UNSPECIFIED": "unknown",
        "ESCALATION": "unknown",
        "PUP_LIMITED_DISABLED": "unknown",
    },
    usage={
        "prompt_tokens": count("prompt", "tool_use"),
        "completion_tokens": count("candidates", "thoughts"),
        "total_tokens": count("total"),
        "cache_read_tokens": count("cached"),
        "reasoning_tokens": count("thoughts"),
        "audio_prompt_tokens": count("audio_in"),
        "audio_completion_tokens": count("audio_out"),
    },
    errors=(
        fault(error.AuthenticationError, "UNAUTHENTICATED", stands_for=401),
        fault(error.AuthenticationError, "API_KEY_INVALID", "API_KEY_EXPIRED", "CREDENTIALS_MISSING", stands_for=400),
        fault(error.AuthenticationError, says=r"unregistered callers|API key not valid|API key expired"),
        fault(error.QuotaExceededError, "RESOURCE_EXHAUSTED", says=r"PerDay|limit: 0\b", stands_for=429),
        fault(error.RateLimitError, "RESOURCE_EXHAUSTED", stands_for=429),
        fault(
            error.ContextLengthError,
            status=400,
            says=r"input token count.*exceeds the maximum|exceeds the maximum number of (input )?tokens",
        ),
        fault(error.InvalidRequestError, "MISSING_THOUGHT_SIGNATURE", stands_for=400),
        fault(
            error.ServiceUnavailableError,
            "NO_IMAGE",
            "IMAGE_OTHER",
            stands_for=500,
        ),
        fault(error.PermissionDeniedError, "PERMISSION_DENIED", stands_for=403),
        fault(error.ModelNotFoundError, "NOT_FOUND", stands_for=404),
        fault(error.InvalidRequestError, "INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", stands_for=400),
        fault(error.InvalidRequestError, "ALREADY_EXISTS", stands_for=409),
        fault(error.InvalidRequestError, "UNIMPLEMENTED", stands_for=501),
        fault(error.ServiceUnavailableError, "ABORTED", stands_for=409),
        fault(error.ServiceUnavailableError, "INTERNAL", "UNKNOWN", "DATA_LOSS", stands_for=500),
        fault(error.ServiceUnavailableError, "UNAVAILABLE", stands_for=503),
        fault(error.ServiceUnavailableError, "DEADLINE_EXCEEDED", stands_for=504),
    ),
    drops=(
        drop("stop", unless={"stop": at_most(5)}, reason="Gemini takes five stop words at most; leave some out"),
        drop(beside="prefill", reason="a conversation ends with a user message or a tool's result here; add one"),
        drop(
            "schema",
            "json_mode",
            models=BEFORE_3,
            beside="tools",
            reason="before Gemini 3 JSON is refused beside tools; make two calls, or use a newer model",
        ),
        drop(
            "tools",
            "tool_choice",
            models=BEFORE_3,
            beside=("functions", "hosted_tools"),
            reason="before Gemini 3 functions are refused beside Google's own tools; make two calls, or use a newer "
            "model",
        ),
        drop(
            "reasoning",
            models=NEVER_THINKS,
            unless={"reasoning": ("off", 0)},
            reason="this model does not think; gemini-2.5 and later do",
        ),
    ),
    model_list=Endpoint("/models?pageSize=1000", "GET", items="models", value="name"),
    embeddings=Endpoint(
        "/models/{model}:batchEmbedContents",
        body={
            "requests": take(
                "texts",
                each={
                    "model": take("model", through=full_name),
                    "content": {"parts": [{"text": take(".")}]},
                    "outputDimensionality": take("dimensions"),
                },
            )
        },
        items="embeddings",
        value="values",
    ),
    token_count=Endpoint(
        "/models/{model}:countTokens",
        body={
            "generateContentRequest": {
                "model": take("model", through=full_name),
                "contents": take("chat.contents"),
                "systemInstruction": take("chat.systemInstruction"),
                "tools": take("chat.tools"),
                "toolConfig": take("chat.toolConfig"),
                "generationConfig": take("chat.generationConfig"),
            }
        },
        tokens="totalTokens",
    ),
)
