"""Judge a recorded stream of tool calls: indexes, ids, arguments, and the reason it ended."""

from __future__ import annotations

from typing import Any

from ...core.messages import Message
from .asking import Asking, refused, untried, with_words
from .finding import Finding, Row
from .format import engine
from .recording import Recorded
from .streams import Stream

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"The {what} of a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    for name, what in (("get_weather", "weather"), ("get_time", "local time"))
]
"""Two tools, so that two calls can be asked for at once."""

QUESTION = "What is the weather in Paris and the local time in Tokyo? Call both tools."
TOKENS = 400
"""The limit of an answer that calls tools, whose arguments need more than a sentence."""


def tried(asking: Asking) -> list[Finding]:
    """The findings of calls that were required, or, if the server cannot require them, only asked for."""
    body = {**with_words(QUESTION), "tools": TOOLS, "stream": True, "tokens": TOKENS}
    recorded = asking.tried(asking.send(**body, tool_choice="required"))
    if not refused(recorded):
        return judge(recorded, required=True)
    without = asking.tried(asking.send(**body))
    if refused(without):
        return judge(without)
    choice = Finding("tool_choice", "row", f"refused: {recorded.failure}", (Row("body", '"tool_choice": None'),))
    return [choice, *judge(without)]


def can_be_required(found: list[Finding]) -> bool:
    """Whether calls were made, and a tool can be named that must be called."""
    behaviours = {finding.behaviour for finding in found}
    return "tool ids" in behaviours and "tool_choice" not in behaviours


def judge(recorded: Recorded, *, required: bool = False) -> list[Finding]:
    """The findings of a stream that was asked for two calls, by `tool_choice` if `required`."""
    if recorded.late:
        return untried("tools", recorded)
    if recorded.status != 200:
        row = Row("body", '"tools": None'), Row("body", '"tool_choice": None')
        return [Finding("tools", "row", f"refused: {recorded.failure}", row)]
    stream = Stream.of(recorded)
    pieces = [piece for delta in stream.deltas() for piece in delta.get("tool_calls") or [] if isinstance(piece, dict)]
    if not pieces:
        how = ", though one was required" if required else ""
        return [Finding("tools", "untried", f"the model made no call{how}, so nothing is known of them")]
    return [_indexes(pieces), _ids(pieces), _arguments(pieces), _finish(stream), _reading(recorded)]


def _indexes(pieces: list[dict[str, Any]]) -> Finding:
    indexes = [piece.get("index") for piece in pieces]
    begun = [piece.get("index") for piece in pieces if piece.get("id")]
    if None in indexes:
        return Finding("tool indexes", "absent", "not always there; calls are told apart by their ids")
    if len(set(begun)) < len(begun) and len({piece["id"] for piece in pieces if piece.get("id")}) > 1:
        return Finding("tool indexes", "absent", f"{begun}: one index for several calls, told apart by their ids")
    return Finding("tool indexes", "ok", f"{sorted({str(index) for index in indexes})}")


def _ids(pieces: list[dict[str, Any]]) -> Finding:
    ids = [str(piece["id"]) for piece in pieces if piece.get("id")]
    if not ids:
        return Finding("tool ids", "absent", "none: they are made up")
    repeated = f", repeated on every one of {len(ids)} pieces" if len(ids) > len(set(ids)) else ""
    return Finding("tool ids", "ok", f"{len(set(ids))}{repeated}")


def _arguments(pieces: list[dict[str, Any]]) -> Finding:
    functions = [piece["function"] for piece in pieces if isinstance(piece.get("function"), dict)]
    found = [function["arguments"] for function in functions if function.get("arguments") is not None]
    if any(not isinstance(value, str) for value in found):
        return Finding("tool arguments", "differs", "an object where the format has a string of JSON")
    return Finding("tool arguments", "ok", f"in {len(found)} pieces")


def _finish(stream: Stream) -> Finding:
    reasons = [choice["finish_reason"] for choice in stream.choices() if choice.get("finish_reason")]
    if reasons[-1:] == ["tool_calls"]:
        return Finding("tool finish", "ok", "'tool_calls'")
    return Finding("tool finish", "absent", f"{reasons[-1:] or 'none'}; it reads `tool_calls` all the same")


def _reading(recorded: Recorded) -> Finding:
    reader = engine().stream("m", [Message.user("x")])
    reader.feed(recorded.body)
    reader.finish(recorded.broken or "")
    if reader.error is not None:
        return Finding(
            "our reading of tools", "differs", f"{type(reader.error).__name__}: {reader.error.message}"[:160]
        )
    calls = ", ".join(f"{call.name}({call.arguments})" for call in reader.response().tool_calls)
    return Finding("our reading of tools", "ok", calls)
