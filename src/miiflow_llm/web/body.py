"""Read what a browser asks for: the bytes of a request become checked messages and parameters.

Every refusal is a `Rejected` with status 422 and the place (`$.messages[2].role`), 413 for what is too large.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, cast

import msgspec

from ..core.exceptions import ConfigurationError
from ..core.messages import AudioBlock, DocumentBlock, ImageBlock, Message, OpaqueBlock
from ..core.request import OF_A_CALL, ToolSpec, declared
from .safe_errors import Rejected

Attachment = ImageBlock | DocumentBlock | AudioBlock
_SAYS_WHERE = re.compile(r"message[.\[]|message: ")
_PLACE = re.compile(r"(.*) - at `\$?(.*)`", re.DOTALL)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a browser may ask for; each may be replaced.

    `max_body` in bytes, of the whole request; `max_text` in characters, of everything that is said: messages with their
    calls, names and refusals, tools, stop words and schemas, all but attachments; `max_tokens` of the answer, `None`
    for whatever the caller asks; `max_attachments` counts images, documents and sounds. `remote_urls` lets images and
    documents be named by an https URL, which the provider fetches; otherwise only data URLs are taken. A browser that
    takes nothing of its answer for `write_seconds` has gone; `None` for no limit.
    """

    max_body: int = 20 * 1024 * 1024
    max_messages: int = 200
    max_text: int = 400_000
    max_attachments: int = 16
    max_tools: int = 64
    max_tokens: int | None = None
    remote_urls: bool = True
    write_seconds: float | None = 30.0


SERVICES_OWN = ("logprobs", "top_logprobs", "user", "service_tier", "metadata", "extra_body", "extra_headers")
"""Parameters that are the service's to say and no browser's: who asks, at what price, and what nobody checked."""


class _Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is more in a browser's request, or said otherwise, than in a call.

    `messages` are as `Message.from_dict` takes them, all roles and blocks kept. `provider` and `model` choose among
    those that the service allows. `conversation` is the browser's own name for the conversation, for a service that
    stores turns. `schema` is a JSON Schema, or the name of one of the service's own types.
    """

    messages: list[dict[str, Any]]
    provider: str | None = None
    model: str | None = None
    conversation: str | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None
    tools: list[ToolSpec] | None = None
    reasoning: Literal["off", "minimal", "low", "medium", "high", "xhigh", "max"] | int | None = None
    schema: dict[str, Any] | str | None = None


_NOT_OF_A_CALL = ("messages", "provider", "model", "conversation")
_MAX_NAME = 200
"""Characters of a conversation's name."""
_REST = [name for name in OF_A_CALL if name not in (*_Body.__struct_fields__, *SERVICES_OWN)]
ChatBody = cast(
    "type[_Body]",
    msgspec.defstruct(
        "ChatBody",
        [(name, declared(name).type | None, None) for name in _REST],
        bases=(_Body,),
        kw_only=True,
        forbid_unknown_fields=True,
    ),
)
"""The JSON of a request: every parameter of a call that is not the service's own, as for `LLMClient.chat`."""


class ChatOrder(msgspec.Struct):
    """A checked request: whom to ask, the messages, and the parameters of the call."""

    provider: str | None
    model: str | None
    messages: list[Message]
    parameters: dict[str, Any]
    conversation: str | None = None


def read_body(data: bytes, limits: Limits) -> ChatOrder:
    """The request's JSON as a checked order.

    Raises:
        Rejected: 413 if it is larger than `limits.max_body`, 422 with the place where it is wrong.
    """
    if len(data) > limits.max_body:
        raise too_large(limits)
    try:
        body = msgspec.json.decode(data, type=ChatBody)
        messages = [_message(item, place) for place, item in enumerate(body.messages)]
        _check(body, messages, limits)
    except msgspec.ValidationError as reason:
        raise _invalid(str(reason)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise wrong("The body is not JSON.", "$") from None
    except RecursionError:
        raise wrong("The body is nested too deep.", "$") from None
    fields = ((name, getattr(body, name)) for name in ChatBody.__struct_fields__)
    parameters = {name: value for name, value in fields if name not in _NOT_OF_A_CALL and value is not None}
    return ChatOrder(body.provider, body.model, messages, parameters, body.conversation)


def _message(item: dict[str, Any], place: int) -> Message:
    try:
        message = Message.from_dict(item)
        message.blocks()  # says whether a tool's message is whole
    except ConfigurationError as reason:
        path, _, words = reason.message.partition(": ") if _SAYS_WHERE.match(reason.message) else ("", "", "")
        place_in_body = f"$.messages[{place}]{path.removeprefix('message')}"
        raise wrong(f"{words or reason.message}.", place_in_body) from None
    except (KeyError, TypeError, AttributeError):
        raise wrong("This is not a message.", f"$.messages[{place}]") from None
    return message


def _check(body: _Body, messages: list[Message], limits: Limits) -> None:
    if not messages:
        raise wrong("There are no messages.", "$.messages")
    if len(messages) > limits.max_messages:
        raise wrong(f"There are more than {limits.max_messages} messages.", "$.messages")
    if len(body.tools or ()) > limits.max_tools:
        raise wrong(f"There are more than {limits.max_tools} tools.", "$.tools")
    if len(body.conversation or "") > _MAX_NAME:
        raise wrong(f"The conversation's name has more than {_MAX_NAME} characters.", "$.conversation")
    if limits.max_tokens is not None and (body.max_tokens or 0) > limits.max_tokens:
        raise wrong(f"max_tokens is more than {limits.max_tokens}.", "$.max_tokens")
    _check_numbers(body)
    attached = _check_attachments(messages, limits)
    said = _length(body.messages) + _length([body.tools, body.stop, body.schema]) - attached
    if said > limits.max_text:
        raise wrong(f"The request says more than {limits.max_text} characters.", "$")


def _length(value: Any) -> int:
    """The characters of every text in a value, names included, at whatever depth."""
    length, todo = 0, [value]
    while todo:
        inner = todo.pop()
        if isinstance(inner, str):
            length += len(inner)
        elif isinstance(inner, dict):
            todo += inner.keys()
            todo += inner.values()
        elif isinstance(inner, (list, tuple)):
            todo += inner
        elif isinstance(inner, msgspec.Struct):
            todo += msgspec.structs.astuple(inner)
    return length


_RANGES = {
    "max_tokens": (1, 10_000_000),
    "temperature": (0, 2),
    "top_p": (0, 1),
    "top_k": (0, 1_000_000),
    "seed": (-(2**63), 2**63 - 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "reasoning": (0, 10_000_000),
}
"""Between what numbers a parameter makes sense for some provider."""


def _check_numbers(body: _Body) -> None:
    for name, (least, most) in _RANGES.items():
        value = getattr(body, name, None)
        if isinstance(value, (int, float)) and not least <= value <= most:
            raise wrong(f"{name} is between {least} and {most}.", f"$.{name}")


def _check_attachments(messages: list[Message], limits: Limits) -> int:
    """Count the attachments; the characters that they take."""
    count = length = 0
    for place, message in enumerate(messages):
        for block in message.blocks():
            if isinstance(block, OpaqueBlock):
                raise wrong("Blocks of type opaque are not taken here.", f"$.messages[{place}]")
            for inner in (block, *getattr(block, "content", ())):
                count += isinstance(inner, Attachment)
                length += max(map(len, _sources(inner)), default=0)
                _check_url(inner, f"$.messages[{place}]", limits)
    if count > limits.max_attachments:
        raise wrong(f"There are more than {limits.max_attachments} attachments.", "$.messages")
    return length


def _sources(block: Any) -> list[str]:
    """Where an attachment's bytes stand."""
    names = ("image_url", "document_url", "data") if isinstance(block, Attachment) else ()
    return [value for name in names if isinstance(value := getattr(block, name, None), str)]


def _check_url(block: Any, place: str, limits: Limits) -> None:
    url = getattr(block, "image_url", None) or getattr(block, "document_url", None)
    if url is None or url.startswith("data:") or (limits.remote_urls and url.startswith("https://")):
        return
    raise wrong("An attachment's URL must be a data: URL" + (" or https." if limits.remote_urls else "."), place)


def declared_length(headers: Mapping[str, str]) -> int:
    """The length that a request's head gives for its body; 0 if it gives none.

    Raises:
        Rejected: 400 if it is not a number.
    """
    length = headers.get("content-length") or "0"
    if not (length.isascii() and length.isdecimal() and len(length) < 20):
        raise Rejected(400, "bad_length", "The content-length is not a number.")
    return int(length)


def too_large(limits: Limits) -> Rejected:
    """The refusal of a body that is larger than allowed."""
    return Rejected(413, "too_large", f"The request is larger than {limits.max_body} bytes.")


def wrong(message: str, place: str) -> Rejected:
    """The refusal of what stands at `place`."""
    return Rejected(422, "invalid_body", message, place=place)


def _invalid(reason: str) -> Rejected:
    """msgspec's words with its place made one in the whole body."""
    found = _PLACE.fullmatch(reason)
    words, path = found.groups() if found else (reason, "")
    return wrong(f"{words}.", f"${path}")
