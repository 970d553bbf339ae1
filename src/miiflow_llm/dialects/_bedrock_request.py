"""What a table cannot say of a Bedrock request: names and formats of media, tools that the conversation needs."""

from __future__ import annotations

import re
from typing import Any, NoReturn

import msgspec

from ..core.exceptions import UnsupportedParameterError
from ..core.media_types import type_of_url
from ..core.messages import Block, DocumentBlock, Message, ToolCall
from ..core.request import ChatRequest, OutputSchema, ToolSpec
from ..tables.media import Media
from ..tables.media_parts import document_text
from ._anthropic_request import thinking_budget
from ._bedrock_models import CLAUDE
from .schema_subsets import anthropic_output

DOCUMENT_FORMATS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/markdown": "md",
}
LONGEST_NAME = 200


def claudes_budget(request: ChatRequest) -> ChatRequest:
    """The request with `reasoning` as Anthropic's models want it; their names here are mapped to Anthropic's own.

    Raises:
        ConfigurationError: as for `thinking_budget`.
    """
    found = re.match(CLAUDE, request.model)
    if found is None:
        return request
    at_home = msgspec.structs.replace(request, model=request.model[found.end() :])
    return msgspec.structs.replace(thinking_budget(at_home), model=request.model)


def marks_after_results(request: ChatRequest) -> ChatRequest:
    """The request with cache marks moved out of tool results, which have no place for one, to right after them."""
    return msgspec.structs.replace(request, messages=[_mark_after(message) for message in request.messages])


def _mark_after(message: Message) -> Message:
    if message.role != "tool" or isinstance(message.content, str):
        return message
    marks = [cache for block in message.content if (cache := getattr(block, "cache", False))]
    if not marks:
        return message
    bare = [
        msgspec.structs.replace(block, cache=False) if hasattr(block, "cache") else block for block in message.content
    ]
    return msgspec.structs.replace(message, content=bare, cache=message.cache or marks[-1])


def named_documents(request: ChatRequest) -> ChatRequest:
    """The request with every document named: the wire demands a name of few characters, and no two alike."""
    seen: dict[str, int] = {}
    messages = [_with_names(message, seen) for message in request.messages]
    return msgspec.structs.replace(request, messages=messages)


def _with_names(message: Message, seen: dict[str, int]) -> Message:
    if isinstance(message.content, str) or not any(isinstance(block, DocumentBlock) for block in message.content):
        return message
    return msgspec.structs.replace(message, content=[_named(block, seen) for block in message.content])


def _named(block: Block, seen: dict[str, int]) -> Block:
    if not isinstance(block, DocumentBlock):
        return block
    stem = re.sub(r"\.\w{1,5}$", "", block.filename or "")
    name = re.sub(r"[^A-Za-z0-9()\[\]-]+", " ", stem).strip()[: LONGEST_NAME - 6].strip() or "document"
    seen[name] = seen.get(name, 0) + 1
    return msgspec.structs.replace(block, filename=name if seen[name] == 1 else f"{name} ({seen[name]})")


def declared_tools(request: ChatRequest) -> ChatRequest:
    """The request with tools as the wire wants them: none if none may be called, and those of the calls so far.

    Calls of a conversation are refused without tools: if none are given, those that were called are declared.
    """
    if request.tool_choice == "none" and not _called(request):
        return msgspec.structs.replace(request, tools=None, tool_choice=None)
    if request.tools or not (called := _called(request)):
        return request
    return msgspec.structs.replace(request, tools=[ToolSpec(name) for name in called])


def _called(request: ChatRequest) -> list[str]:
    """The names of the tools that were called so far."""
    blocks = [block for message in request.messages for block in message.blocks()]
    return list(dict.fromkeys(block.name for block in blocks if isinstance(block, ToolCall)))


def never_none(choice: str) -> NoReturn:
    """Refuse to call no tool, once there are calls.

    Raises:
        UnsupportedParameterError: always.
    """
    raise UnsupportedParameterError(
        f"tool_choice={choice!r} is not taken once the conversation holds calls: without tools they are refused, and "
        "there is no word for calling none; leave it out, and ask for an answer in words",
        parameter="tool_choice",
    )


def not_blank(text: str) -> str | None:
    """The text; `None` if it is only white space, which the wire refuses."""
    return text if text.strip() else None


def output_schema(output: OutputSchema) -> str:
    """The schema of the answer, which this wire has as text."""
    return msgspec.json.encode(anthropic_output(output)).decode()


def image(media: Media) -> dict[str, Any]:
    """An image: its bytes, or its place in S3."""
    kind = media.type if media.data is not None else type_of_url(media.link or "")
    return {"format": (kind or "image/png").partition("/")[2], "source": _source(media, "ImageBlock")}


def document_format(media: Media) -> str:
    """The wire's word for a kind of document.

    Raises:
        UnsupportedParameterError: it has none.
    """
    kind = media.type if media.data is not None else type_of_url(media.link or "") or media.type
    found = DOCUMENT_FORMATS.get(kind or "", "txt" if (kind or "").startswith("text/") else None)
    if found is None:
        raise UnsupportedParameterError(
            f"DocumentBlock: {kind} is not taken here, but {', '.join(DOCUMENT_FORMATS)} and text",
            parameter="DocumentBlock",
        )
    return found


def document_source(media: Media) -> dict[str, Any]:
    """A document's bytes, or its place in S3."""
    return _source(media, "DocumentBlock")


def document_words(media: Media) -> dict[str, Any]:
    """The words of a text document, which can be cited only so."""
    return {"text": document_text(media)} if media.data is not None else document_source(media)


def audio_source(media: Media) -> dict[str, Any]:
    """The bytes of a sound."""
    return _source(media, "AudioBlock")


def _source(media: Media, kind: str) -> dict[str, Any]:
    if media.data is not None:
        return {"bytes": media.data}
    if (media.link or "").startswith("s3://"):
        return {"s3Location": {"uri": media.link}}
    raise UnsupportedParameterError(
        f"{kind} by URL is not taken here: send its bytes (miiflow_llm.inline fetches them), or an s3:// URI",
        parameter=kind,
    )
