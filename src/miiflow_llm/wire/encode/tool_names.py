"""Names of tools as a wire takes them, and back.

A name that matches stays as it is; any other gets one of letters, digits and `_`, always the same for the same name.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache

import msgspec

from ...core.request import ChatRequest
from ...tables.dialect import Dialect

_LONGEST = 59


def wire_name(dialect: Dialect, name: str | None) -> str | None:
    """The name as the dialect takes it; no name stays none."""
    return legal_name(dialect.tool_names, name) if name else name


@lru_cache(maxsize=4096)
def legal_name(pattern: str, name: str) -> str:
    """The name itself if it matches the pattern, or one that is made of it."""
    if re.fullmatch(pattern, name):
        return name
    legal = re.sub(r"[^A-Za-z0-9_]", "_", name)
    legal = legal if legal[:1].isalpha() or legal[:1] == "_" else f"_{legal}"
    mark = zlib.crc32(name.encode(errors="replace")) & 0xFFFF
    return f"{legal[:_LONGEST]}_{mark:04x}"


def with_wire_names(request: ChatRequest, callers: dict[str, str]) -> ChatRequest:
    """The request with its tools, and the one that is chosen, under names that the dialect takes."""
    if not callers:
        return request
    names = {ours: theirs for theirs, ours in callers.items()}
    tools = [msgspec.structs.replace(tool, name=names.get(tool.name, tool.name)) for tool in request.tools or ()]
    choice = request.tool_choice
    return msgspec.structs.replace(request, tools=tools, tool_choice=names.get(choice, choice) if choice else choice)


def callers_names(dialect: Dialect, request: ChatRequest) -> dict[str, str]:
    """The caller's name for each tool that has another on the wire, by that."""
    wired = {legal_name(dialect.tool_names, tool.name): tool.name for tool in request.tools or () if tool.name}
    return {theirs: ours for theirs, ours in wired.items() if theirs != ours}
