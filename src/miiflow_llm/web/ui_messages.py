"""Read what the AI SDK's `useChat` sends: its UI messages become the body that `read_body` checks.

UI messages are described at https://ai-sdk.dev/docs/reference/ai-sdk-core/ui-message. The SDK posts
`{id, messages, trigger, messageId}` and whatever its `body` option adds; the additions are parameters of a call here
(`model`, `temperature`, ...).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from .body import wrong

Said = dict[str, Any]

_OF_THE_SDK = ("id", "messages", "trigger", "messageId")


def from_ui_messages(messages: Sequence[Mapping[str, Any]]) -> list[Said]:
    """The messages as `Message.from_dict` takes them.

    Texts, files and calls with their results are kept; what else a UI message has (reasoning, sources, data) says
    nothing to a model. A call without a result is told as one that was not run, as providers take none without one.

    Raises:
        Rejected: 422, with the place, if one is not a UI message.
    """
    return [said for place, message in enumerate(messages) for said in _messages(message, f"$.messages[{place}]")]


def body_of_ui(data: bytes) -> bytes:
    """The body of `POST /chat` that says the same as `useChat`'s.

    Raises:
        Rejected: 422 if it is not JSON, or not what `useChat` sends.
    """
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise wrong("The body is not JSON.", "$") from None
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        raise wrong("The body has no list of messages.", "$.messages")
    more = {name: value for name, value in body.items() if name not in _OF_THE_SDK}
    if isinstance(body.get("id"), str):
        more.setdefault("conversation", body["id"])
    return msgspec.json.encode({**more, "messages": from_ui_messages(body["messages"])})


def _messages(message: Any, place: str) -> Iterator[Said]:
    parts = message.get("parts") if isinstance(message, Mapping) else None
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise wrong("A UI message has a list of parts.", f"{place}.parts")
    role = message.get("role")
    if role == "assistant":
        for step in _steps(parts):
            yield from _answer(step, place)
    else:
        yield {"role": role, "content": [block for part in parts for block in _blocks(part, place)]}


def _steps(parts: list[Said]) -> Iterator[list[Said]]:
    """The parts of each answer: what stands between two marks."""
    step: list[Said] = []
    for part in parts:
        if part.get("type") == "step-start" and step:
            yield step
            step = []
        elif part.get("type") != "step-start":
            step.append(part)
    if step:
        yield step


def _answer(parts: list[Said], place: str) -> Iterator[Said]:
    calls = [part for part in parts if _is_call(part)]
    content = [block for part in parts if not _is_call(part) for block in _blocks(part, place)]
    if not content and not calls:
        return
    yield {"role": "assistant", "content": content, "tool_calls": [_call(part) for part in calls]}
    for part in calls:
        yield _result(part)


def _is_call(part: Said) -> bool:
    kind = str(part.get("type"))
    return kind == "dynamic-tool" or kind.startswith("tool-")


def _call(part: Said) -> Said:
    name = part.get("toolName") or str(part.get("type")).removeprefix("tool-")
    given = part.get("input", part.get("rawInput"))
    arguments = given if isinstance(given, str) else _json({} if given is None else given)
    return {"type": "tool_call", "id": part.get("toolCallId"), "name": name, "arguments": arguments}


def _result(part: Said) -> Said:
    said = {"role": "tool", "tool_call_id": part.get("toolCallId")}
    if part.get("state") == "output-available":
        output = part.get("output")
        return {**said, "content": output if isinstance(output, str) else _json(output)}
    reason = part.get("errorText") if part.get("state") == "output-error" else None
    return {**said, "content": reason or "The call was not run.", "is_error": True}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _blocks(part: Said, place: str) -> Iterator[Said]:
    kind = part.get("type")
    if kind == "text":
        if part.get("text"):
            yield {"type": "text", "text": part["text"]}
    elif kind == "file":
        yield _file(part, place)


def _file(part: Said, place: str) -> Said:
    """An image, a sound or a document, told by its media type."""
    url, media = part.get("url"), str(part.get("mediaType", ""))
    if not isinstance(url, str):
        raise wrong("A file has a URL.", place)
    kind = media.partition("/")[0]
    if kind == "image":
        return {"type": "image_url", "image_url": url}
    if kind == "audio":
        head, _, data = url.partition(";base64,")
        if not head.startswith("data:"):
            raise wrong("Sound is sent as a data: URL.", place)
        return {"type": "audio", "data": data, "format": media.partition("/")[2]}
    document = {"type": "document", "document_url": url, "document_type": "text" if kind == "text" else "pdf"}
    return document | ({"filename": part["filename"]} if part.get("filename") else {})
