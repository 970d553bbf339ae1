"""Messages in OpenAI's style: a dict as that API has it in, the same as ours out.

What is ours already stays as it is; what is wrong is left to whoever reads it as a message.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec


def from_openai(data: dict[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The message as `Message.to_dict` would have it; of its keys those that are `known`."""
    if data.get("role") == "developer":
        data["role"] = "system"
    if data.get("content") is None:
        data["content"] = ""
    if isinstance(data["content"], list):
        data["content"] = [_block(block) for block in data["content"]]
    if isinstance(data.get("tool_calls"), list):
        data["tool_calls"] = [_call(call) for call in data["tool_calls"]]
    return {key: value for key, value in data.items() if key in known and value is not None}


def _call(call: Any) -> Any:
    if not isinstance(call, Mapping):
        return call
    function, custom = call.get("function"), call.get("custom")
    if isinstance(custom, Mapping):
        return {**_named(call, custom), "arguments": custom.get("input", ""), "custom": True}
    if not isinstance(function, Mapping):
        return call
    arguments = function.get("arguments") or ""
    if not isinstance(arguments, str):
        arguments = msgspec.json.encode(arguments).decode()
    return {**_named(call, function), "arguments": arguments}


def _named(call: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "tool_call", "id": call.get("id") or "", "name": inner.get("name")}


def _block(block: Any) -> Any:
    if isinstance(block, str):
        return {"type": "text", "text": block}
    if not isinstance(block, Mapping):
        return block
    marks = {} if "cache_control" not in block else {"cache": _cache(block["cache_control"])}
    inner = block.get(str(block.get("type")))
    if not isinstance(inner, Mapping):
        return {**block, **marks}
    if block["type"] == "image_url":
        return {"type": "image_url", "image_url": inner.get("url"), "detail": inner.get("detail"), **marks}
    if block["type"] == "input_audio":
        return {"type": "audio", **inner}
    if block["type"] == "file" and "file_data" in inner:
        return {"type": "document", "document_url": inner["file_data"], "filename": inner.get("filename"), **marks}
    return block


def _cache(mark: Any) -> Any:
    return mark.get("ttl", True) if isinstance(mark, Mapping) else bool(mark)
