"""Ollama's own chat format: `POST /api/chat`, one JSON object a line.

Content is always a string, images stand beside it as bare base64, arguments are objects and come whole; the last line
says `done` and has the counters.
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
    Endpoint,
    RuleLike,
    absent,
    apart,
    beside,
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
    joined,
    json,
    left_out,
    position,
    refused,
    take,
    when,
)
from ..tables.media import Media
from ..tables.reasoning import effort, is_on
from ..tables.tool_parts import NO_PARAMETERS, choose_by_tools, functions
from .schema_subsets import ollama_tool


def bare(image: Media) -> str:
    """The base64 of an image.

    Raises:
        UnsupportedParameterError: it is a link.
    """
    if image.data is None:
        raise error.UnsupportedParameterError(
            f"image_url={image.url[:60]!r}: Ollama fetches no images; give the image itself as a data URL",
            parameter="ImageBlock",
        )
    return image.data


CLOUD = ".*[-:]cloud$"
JSON_ALONE = drop(
    "schema",
    "json_mode",
    beside="tools",
    reason="an answer that is held to JSON never calls a tool; make two calls",
)

ERROR = emit("failure", when="error", message=first("error.message", "error"), code="error.code", type="error.type")

LINE: tuple[RuleLike, ...] = (
    emit("meta", model="model"),
    emit("reasoning", "message.thinking"),
    emit("text", "message.content"),
    each(
        "message.tool_calls",
        emit(
            "tool_call",
            when="function",
            id="id",
            name="function.name",
            arguments=json("function.arguments"),
            whole=const(True),
            place=position(),
        ),
    ),
    emit("logprobs", "logprobs", unproven="the server's ChatResponse has the field; no recorded request asks for it"),
    emit("finish", "done_reason", when=exists("done_reason"), where=("done", True)),
    # servers before done_reason, and others that speak this format, end with `done` and do not say why
    emit(
        "finish",
        when=absent("done_reason"),
        where=("done", True),
        unified=const("unknown"),
        row="done_alone",
        unproven="every recorded server says why it is done",
    ),
    emit("usage", when="done", prompt="prompt_eval_count", completion="eval_count"),
    ERROR,
)
"""A line of a stream and a whole answer have one form."""

OLLAMA_CHAT = Dialect(
    name="ollama_chat",
    docs="https://docs.ollama.com/api/chat",
    path="/api/chat",
    framing="ndjson",
    prepare=(choose_by_tools,),
    body={
        "model": take("model"),
        "messages": take("messages"),
        "stream": take("stream"),
        "tools": functions(take("parameters", through=ollama_tool, default=NO_PARAMETERS)),
        "think": by_model(
            {
                "(.*/)?gpt-oss": take("reasoning", through=effort("low", "medium", "high")),
                "": take("reasoning", through=is_on),
            }
        ),
        "format": when("schema", take("schema.schema"), when("json_mode", "json")),
        "options": {
            "num_predict": take("max_tokens"),
            "temperature": take("temperature"),
            "top_p": take("top_p"),
            "top_k": take("top_k"),
            "stop": take("stop"),
            "seed": take("seed"),
            "presence_penalty": take("presence_penalty"),
            "frequency_penalty": take("frequency_penalty"),
        },
        "logprobs": take("logprobs", default=when("top_logprobs", True)),
        "top_logprobs": take("top_logprobs"),
    },
    message={"role": take("role"), "content": take("text")},
    media={ImageBlock: ("image/jpeg", "image/png", "image/gif", "image/webp")},
    parts={
        TextBlock: inside({"type": "text", "text": take("text")}),
        ImageBlock: beside("images", take("media", through=bare)),
        DocumentBlock: refused("Ollama takes no documents; send their text, or pages as images"),
        AudioBlock: refused("Ollama takes no audio here; send a transcript as text"),
        ReasoningBlock: joined("thinking", take("text"), own=True),
        OpaqueBlock: left_out(),
        ToolCall: beside(
            "tool_calls",
            {"id": take("id"), "type": "function", "function": {"name": take("name"), "arguments": take("input")}},
        ),
        ToolResult: apart(
            {"role": "tool", "tool_name": take("name"), "tool_call_id": take("id"), "content": take("text")}
        ),
    },
    events=LINE,
    whole=LINE,
    failure=(ERROR,),
    finish={"stop": "stop", "length": "length", "load": "stop", "unload": "stop", "": "error"},
    usage={"prompt_tokens": count("prompt"), "completion_tokens": count("completion")},
    complete=("finish",),
    end=("finish",),
    errors=(
        fault(error.ModelNotFoundError, says="model .*not found", stands_for=404),
        fault(error.AuthenticationError, says="^unauthorized", stands_for=401),
        fault(error.ContextLengthError, status=400, says="context (length|window|size)|input length"),
        fault(
            error.ServiceUnavailableError,
            says="runner|server busy|out of memory|unexpected(ly)?|connection|timed? ?out|ended as ''",
            stands_for=500,
        ),
    ),
    continues={
        "": Continuation(
            unproven="it goes on in practice, which is documented nowhere and depends on the model's template"
        )
    },
    drops=(
        drop("tool_choice", reason="Ollama has no such field; give only the tool that is wanted, and say so"),
        drop("parallel_tool_calls", reason="Ollama has no such field; leave it out"),
        JSON_ALONE,
        drop("json_mode", models=CLOUD, reason="Ollama's cloud has no mode for JSON; ask for it in the prompt"),
    ),
    model_list=Endpoint("/api/tags", "GET", items="models", value="model"),
    embeddings=Endpoint(
        "/api/embed",
        body={"model": take("model"), "input": take("texts"), "dimensions": take("dimensions")},
        items="embeddings",
        tokens="prompt_eval_count",
    ),
)
