"""What is generated of the parameters of a call: the table of docs/requests.md and the types of browsers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from miiflow_llm.calls.parameters import OF_THE_CLIENT
from miiflow_llm.core.request import OF_A_CALL, declared
from miiflow_llm.web.body import ChatBody

SIMPLE = {str: "string", bool: "boolean", int: "number", float: "number", Any: "unknown"}
FOR_BROWSERS = {
    "tools": "Functions that the answer may call.",
    "schema": "The name of a type that the service knows, or a JSON Schema that the answer must follow.",
}
"""Words of parameters that are more to Python than to a browser."""


def table() -> str:
    """A row for each parameter: its name and its words."""
    rows = [f"| `{one.name}` | {one.words} |" for one in map(declared, OF_A_CALL)]
    rows += [f"| `{name}` | {words} |" for name, words in OF_THE_CLIENT.items()]
    return "\n".join(["| parameter | |", "|---|---|", *rows]) + "\n"


def typescript() -> str:
    """A member for each parameter that browsers may give, with its words."""
    types = {field.name: field.type for field in msgspec.structs.fields(ChatBody)}
    lines = []
    for one in (declared(name) for name in OF_A_CALL if name in types):
        lines += [f"  /** {FOR_BROWSERS.get(one.name, one.words)} */", f"  {one.name}?: {_written(types[one.name])};"]
    return "\n".join(lines) + "\n"


def _written(kind: Any) -> str:
    """A Python type in TypeScript; `None` is said by leaving the member out."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in SIMPLE:
        return SIMPLE[kind]
    if origin in (Union, UnionType):
        return " | ".join(dict.fromkeys(_written(one) for one in arguments if one is not NoneType))
    if origin is Literal:
        return " | ".join(f'"{one}"' for one in arguments)
    if origin in (list, Sequence):
        return f"{_written(arguments[0])}[]"
    if origin in (dict, Mapping):
        return "object" if arguments[1] is Any else f"Record<string, {_written(arguments[1])}>"
    members = (
        f"{field.name}{'' if field.required else '?'}: {_written(field.type)}" for field in msgspec.structs.fields(kind)
    )
    return f"{{ {'; '.join(members)} }}"
