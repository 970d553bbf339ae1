"""Converters of tools that tables share: which may be given, together or apart, and how arguments are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec

from ..core.exceptions import UnsupportedParameterError
from ..core.request import ChatRequest, HostedTool, ToolSpec
from .request_words import Take, take, when


class Functions(msgspec.Struct, frozen=True):
    """The tools that are functions, for wires on which they stand together."""

    declarations: list[ToolSpec]


def runs_none(payload: dict[str, Any]) -> NoReturn:
    """Refuse a provider's own tool, on wires that run none.

    Raises:
        UnsupportedParameterError: always.
    """
    name = payload.get("type") or payload.get("name") or next(iter(payload), "")
    raise UnsupportedParameterError(
        f"tools: this provider runs no tools itself, so {name!r} is not taken; give a function", parameter="HostedTool"
    )


def functions(parameters: Take) -> Take:
    """The tools of wires that run none and know no `strict`; `parameters` is how a function's schema is written."""
    function = {"name": take("name"), "description": take("description"), "parameters": parameters}
    hosted = take("payload", through=runs_none)
    return take("tools", each=when("payload", hosted, {"type": "function", "function": function}))


NO_PARAMETERS = {"type": "object", "properties": {}}
"""The schema of a function that takes nothing."""


def as_text(arguments: dict[str, Any]) -> str:
    """The arguments as JSON text."""
    return msgspec.json.encode(arguments).decode()


ARGUMENTS = when("custom", take("input", through=as_text), take("arguments"))
"""A call's arguments as JSON text, on wires that know no calls with free text."""


def functions_together(tools: Sequence[ToolSpec]) -> list[Functions | ToolSpec]:
    """The functions as one element, then each of the provider's own tools."""
    functions = [tool for tool in tools if not isinstance(tool, HostedTool)]
    hosted = [tool for tool in tools if isinstance(tool, HostedTool)]
    return [Functions(functions), *hosted] if functions else [*hosted]


def are_mixed(tools: Sequence[ToolSpec]) -> bool | None:
    """True if there are both functions and tools of the provider's own, otherwise `None`."""
    hosted = sum(isinstance(tool, HostedTool) for tool in tools)
    return True if 0 < hosted < len(tools) else None


def choose_by_tools(request: ChatRequest) -> ChatRequest:
    """Say `auto` and `none` without the field that this wire lacks: `none` is to have no tools."""
    if request.tool_choice not in ("auto", "none"):
        return request
    tools = request.tools if request.tool_choice == "auto" else None
    return msgspec.structs.replace(request, tool_choice=None, tools=tools)
