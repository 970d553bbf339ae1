"""What a table cannot say of a Gemini request: hooks from request to request, and converters of single values."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ..core.exceptions import ConfigurationError
from ..core.json_text import repair_surrogates
from ..core.messages import Block, Message, TextBlock, ToolCall
from ..core.request import ChatRequest, ToolSpec
from ..tables.media import Media
from ..tables.reasoning import LEVELS, OFF, effort, level
from ..tables.spelling import spelt
from .schema_subsets import gemini_schema

BUDGETS = {"minimal": 512, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 32768, "max": 32768}
"""Tokens that a level stands for in models that think by budget, as Google's own OpenAI-compatible door has them."""


def bare_model(request: ChatRequest) -> ChatRequest:
    """The request with the model's name as the path wants it: `models/` is part of that."""
    return msgspec.structs.replace(request, model=request.model.removeprefix("models/"))


def full_name(model: str) -> str:
    """The model's name as bodies want it."""
    return f"models/{model.removeprefix('models/')}"


def gemma_system(request: ChatRequest) -> ChatRequest:
    """Gemma takes no system instruction: it begins the first message of the user instead."""
    system = [message for message in request.messages if message.role == "system"]
    if not system or not request.model.startswith("gemma"):
        return request
    rest = [message for message in request.messages if message.role != "system"]
    place = next((place for place, message in enumerate(rest) if message.role == "user"), None)
    if place is None:
        raise ConfigurationError(f"{request.model} takes system messages only before a user message: add one")
    text = TextBlock("\n\n".join(message.text for message in system))
    rest[place] = msgspec.structs.replace(rest[place], content=[text, *rest[place].blocks()], parts=[])
    return msgspec.structs.replace(request, messages=rest)


def answers_in_order(request: ChatRequest) -> ChatRequest:
    """The request with each run of tool results in the order of their calls, by which those without ids are matched."""
    places: dict[str | None, int] = {}
    for message in request.messages:
        for block in message.blocks() if message.role != "tool" else ():
            if isinstance(block, ToolCall):
                places.setdefault(block.id, len(places))
    out: list[Message] = []
    run: list[Message] = []
    for message in request.messages:
        if message.role == "tool":
            run.append(message)
            continue
        out += sorted(run, key=lambda one: places.get(one.tool_call_id, len(places)))
        out.append(message)
        run = []
    out += sorted(run, key=lambda one: places.get(one.tool_call_id, len(places)))
    return msgspec.structs.replace(request, messages=out)


def media_after_results(request: ChatRequest) -> ChatRequest:
    """The request with media of tool results in a user message after them, for models before Gemini 3."""
    if not request.model.startswith(("gemini-1", "gemini-2", "gemma")):
        return request
    out: list[Message] = []
    media: list[Block] = []
    for message in request.messages:
        if message.role != "tool" and media:
            out.append(Message.user(media))
            media = []
        if message.role == "tool" and isinstance(message.content, list):
            texts = [block for block in message.content if isinstance(block, TextBlock)]
            media += [block for block in message.content if not isinstance(block, TextBlock)]
            message = msgspec.structs.replace(message, content=[*texts])
        out.append(message)
    return msgspec.structs.replace(request, messages=[*out, *([Message.user(media)] if media else [])])


@spelt
def thinking_level(*levels: str) -> Callable[[str | int], dict[str, Any]]:
    """A converter to `thinkingConfig` of models that think by level, to the nearest of `levels`; never off.

    `-1` leaves it to the model.
    """
    nearest = effort(*levels)

    def config(reasoning: str | int) -> dict[str, Any]:
        shown = {"includeThoughts": True}
        return shown if reasoning == -1 else {**shown, "thinkingLevel": nearest(reasoning)}

    return config


@spelt
def thinking_budget(least: int, most: int, *, off: bool) -> Callable[[str | int], dict[str, Any]]:
    """A converter to `thinkingConfig` of models that think by budget, of `least` to `most` tokens.

    A number is cut to that range; `-1` leaves it to the model. Without `off`, asking for none is an error.
    """
    always = effort(*LEVELS)

    def config(reasoning: str | int) -> dict[str, Any]:
        if reasoning == -1:
            return {"includeThoughts": True, "thinkingBudget": -1}
        if level(reasoning) == OFF:
            return {"thinkingBudget": 0} if off else always(OFF)
        wanted = reasoning if isinstance(reasoning, int) else BUDGETS[reasoning]
        return {"includeThoughts": True, "thinkingBudget": min(max(wanted, least), most)}

    return config


def declared(parameters: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of a tool's parameters; a tool without any leaves the field out."""
    says = {"properties", "additionalProperties", "$ref", "anyOf", "oneOf"}
    return gemini_schema(parameters) if any(parameters.get(key) for key in says) else None


def mode(tools: list[ToolSpec]) -> str:
    """`AUTO`, or `VALIDATED` if a tool asks for exact arguments."""
    return "VALIDATED" if any(tool.strict for tool in tools) else "AUTO"


def validated(tools: list[ToolSpec]) -> str | None:
    """`VALIDATED` if a tool asks for exact arguments; otherwise the mode need not be said."""
    return "VALIDATED" if mode(tools) == "VALIDATED" else None


def text_of(parts: list[dict[str, Any]]) -> str:
    """The text among a tool result's parts."""
    return "".join(part.get("text", "") for part in parts)


def response_object(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """A tool's result as the object that the wire demands: JSON objects as they are, all else under `output`.

    An object that has `output` or `error` itself is wrapped too: the provider reads these keys.
    """
    text = text_of(parts)
    try:
        value = msgspec.json.decode(repair_surrogates(text))
    except (msgspec.DecodeError, RecursionError):
        return {"output": text}
    if isinstance(value, dict):
        return {"output": value} if value.keys() & {"output", "error"} else value
    return {"output": value if isinstance(value, list) else text}


def media_parts(parts: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """The media among a tool result's parts."""
    return [part for part in parts if "text" not in part] or None


def media_part(media: Media) -> dict[str, Any]:
    """`inlineData`, or `fileData` for a URL; the type of a link is told by its ending, an uploaded file has its own."""
    if not media.link:
        return {"inlineData": {"mimeType": media.type, "data": media.data}}
    address = urlsplit(media.link)
    if "/files/" in address.path and (address.hostname or "").endswith("googleapis.com"):
        return {"fileData": {"fileUri": media.link}}
    kind = mimetypes.guess_type(address.path)[0] or media.type
    return {"fileData": {"mimeType": kind, "fileUri": media.link}}
