"""What the request tests share: a provider's engine, the body that it writes, and a tool."""

from __future__ import annotations

from typing import Any

import msgspec

from miiflow_llm import providers
from miiflow_llm.core.messages import Message
from miiflow_llm.core.request import ChatRequest, OutputSchema, ToolSpec
from miiflow_llm.tables import as_spoken
from miiflow_llm.wire.engine import Engine

PARAMETERS = {
    "type": "object",
    "properties": {"port": {"type": "string"}},
    "required": ["port"],
    "additionalProperties": False,
}
TIDE = ToolSpec("tide", "Times of the tide.", PARAMETERS)
BARE = ToolSpec("now")
SCHEMA = OutputSchema(
    "Tide",
    {
        "type": "object",
        "properties": {"high": {"type": "string"}},
        "required": ["high"],
        "additionalProperties": False,
    },
)
PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="


def engine(provider: str, dialect: str | None = None) -> Engine:
    """The engine of a provider's dialect, its first where none is named."""
    found = providers.get(provider)
    rows = next((also for also in found.also if also.dialect.name == dialect), found)
    return Engine(as_spoken(found, rows), found.name)


def body(of: Engine, model: str, *messages: Message, **parameters: Any) -> dict[str, Any]:
    """The request's body as the wire has it, parsed."""
    request = ChatRequest(model=model, messages=list(messages) or [Message.user("Hi")], **parameters)
    parsed = msgspec.json.decode(msgspec.json.encode(of.encode(request).body))
    assert isinstance(parsed, dict)
    return parsed


def part(of: Engine, model: str, *messages: Message, **parameters: Any) -> dict[str, Any]:
    """The body without what every request has: the model, whether to stream, and messages where none were given."""
    whole = body(of, model, *messages, **parameters)
    plain = ("model", "stream", "stream_options", *(() if messages else ("messages",)))
    return {key: value for key, value in whole.items() if key not in plain}
