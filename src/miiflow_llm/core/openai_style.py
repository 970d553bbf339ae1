"""Turn messages as dicts, of OpenAI's Chat and Responses APIs, of Anthropic's, or ours, into ours.

Every key is looked at: one that no form has is an error. A value of the wrong type is left to whoever reads the result
as a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .exceptions import ConfigurationError
from .legal_keys import check_keys, nearest
from .part_styles import Keys, content_of, json_text

_ROLES = {"developer": "system", "function": "tool"}
"""Other words for roles, one of today and one of before there were tools."""
_LEGAL_ROLES = ("system", "user", "assistant", "tool", *_ROLES)
_OF_ANSWERS = ("annotations", "status", "id", "type")
"""A server's notes on its answer, which no request repeats."""
_OTHERS = frozenset(("function_call", "reasoning_content", "reasoning", "audio", *_OF_ANSWERS))
"""Keys of a message in other forms than ours."""


def from_openai(data: Mapping[str, Any], keys: Keys, place: str) -> dict[str, Any]:
    """The message as `Message.to_dict` would have it.

    Raises:
        ConfigurationError: it has a key, or a part of a type, that there is not; the error names the place.
    """
    if data.get("type") in _ITEMS:
        return _item(data, keys, place)
    _check(data, keys, place)
    out = {key: value for key, value in data.items() if key in keys["message"] and value is not None}
    role = data.get("role")
    out["role"] = _ROLES.get(str(role), role)
    out["content"] = content_of("" if data.get("content") is None else data["content"], keys, f"{place}.content")
    if "parts" in out:
        out["parts"] = content_of(out["parts"], keys, f"{place}.parts")
    if calls := calls_of(data, keys, place):
        out["tool_calls"] = calls
    if role == "function":
        out["tool_call_id"] = _legacy_id(data)
    reasoning = data.get("reasoning_content") or data.get("reasoning")
    return _with_reasoning(out, reasoning, place) if reasoning else out


def _check(data: Mapping[str, Any], keys: Keys, place: str) -> None:
    check_keys(data, keys["message"] | _OTHERS, place, "a message")
    role, kind = data.get("role"), data.get("type")
    if not role or role not in _LEGAL_ROLES:
        given = f"{role!r} is not one of" if role else "a message needs one of"
        raise ConfigurationError(f"{place}.role: {given} {', '.join(_LEGAL_ROLES)}")
    if kind not in (None, "message"):
        raise ConfigurationError(f"{place}: no message is a {kind!r}{nearest(kind, ['message', *_ITEMS])}")
    if data.get("audio"):
        raise ConfigurationError(f"{place}.audio: an answer's sound cannot be sent back by its id; send its transcript")


def _with_reasoning(message: dict[str, Any], reasoning: Any, place: str) -> dict[str, Any]:
    """The message with its reasoning as its first part."""
    if message["role"] != "assistant" or message.get("parts") or not isinstance(reasoning, str):
        raise ConfigurationError(f"{place}: reasoning is a text, in an assistant's message that has no parts")
    content = message["content"]
    said = content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []
    parts = [{"type": "reasoning", "text": reasoning}, *said, *message.get("tool_calls", ())]
    return {**message, "parts": parts}


def calls_of(data: Mapping[str, Any], keys: Keys, place: str) -> Any:
    """The calls of a message as ours.

    Raises:
        ConfigurationError: one has a key that there is not.
    """
    calls = data.get("tool_calls")
    if not calls and data.get("function_call"):
        return [_call({"id": _legacy_id(data["function_call"]), "function": data["function_call"]}, keys, place)]
    if isinstance(calls, (list, tuple)):
        return [_call(call, keys, f"{place}.tool_calls[{at}]") for at, call in enumerate(calls)]
    return calls


def _legacy_id(named: Any) -> str:
    """The id of a call of before calls had one."""
    return f"call_{named.get('name') if isinstance(named, Mapping) else ''}"


def _call(call: Any, keys: Keys, place: str) -> Any:
    if not isinstance(call, Mapping):
        return call
    check_keys(call, keys["tool_call"] | {"type", "function", "custom", "index"}, place, "a tool call")
    function, custom = call.get("function"), call.get("custom")
    if isinstance(custom, Mapping):
        check_keys(custom, ("name", "input"), f"{place}.custom", "a custom tool call")
        return _named(call, custom) | {"arguments": custom.get("input") or "", "custom": True}
    if function is None:
        return {key: value for key, value in call.items() if key not in ("index", "function")}
    if not isinstance(function, Mapping):
        raise ConfigurationError(f"{place}.function: a dict with name and arguments is needed")
    check_keys(function, ("name", "arguments"), f"{place}.function", "a function")
    return _named(call, function) | {"arguments": json_text(function.get("arguments") or "", f"{place}.function")}


def _named(call: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "tool_call", "id": call.get("id") or "", "name": inner.get("name")}


_ITEMS = {
    "function_call": ("id", "call_id", "name", "arguments", "status"),
    "custom_tool_call": ("id", "call_id", "name", "input", "status"),
    "function_call_output": ("id", "call_id", "output", "status"),
    "custom_tool_call_output": ("id", "call_id", "output", "status"),
}
"""Items of Responses that stand beside messages, and their keys."""


def _item(data: Mapping[str, Any], keys: Keys, place: str) -> dict[str, Any]:
    kind = data["type"]
    check_keys(data, (*_ITEMS[kind], "type"), place, f"an item of type {kind!r}")
    if "output" in _ITEMS[kind]:
        output = content_of(data.get("output") or "", keys, f"{place}.output")
        return {"role": "tool", "tool_call_id": data.get("call_id"), "content": output}
    custom = "input" in _ITEMS[kind]
    text = data.get("input") if custom else data.get("arguments")
    call = {"id": data.get("call_id") or "", "name": data.get("name"), "arguments": json_text(text or "", place)}
    return {"role": "assistant", "content": "", "tool_calls": [{"type": "tool_call", **call, "custom": custom}]}
