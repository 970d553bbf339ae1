"""The bytes of a body: what stands around the messages, with the messages where they belong."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, repeat
from typing import Any, Final

import msgspec

from .json_bytes import json_bytes

SEAM: Final = msgspec.Raw(b"\0")
"""Stands for the messages while a body is written: no JSON holds this byte."""


def hole(messages: list[bytes], *, whole: bool) -> Any:
    """What a body is written with in place of the messages; their values if its table does not take them `whole`."""
    return SEAM if whole else [msgspec.json.decode(message) for message in messages]


def joined(body: Any, messages: list[bytes]) -> tuple[bytes, ...]:
    """The body's bytes in pieces, of which the messages are as they were given."""
    first, *others = json_bytes(body).split(bytes(SEAM))
    pieces = [first]
    for other in others:
        listed = [*chain.from_iterable(zip(messages, repeat(b",")))]
        pieces += [b"[", *listed[:-1], b"]", other]
    return tuple(pieces)


def merged(base: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`extra` merged into `base`, objects key by key; `extra` has the last word."""
    out = dict(base)
    for key, value in extra.items():
        mine = out.get(key)
        if isinstance(mine, msgspec.Raw) and mine is not SEAM:
            mine = msgspec.json.decode(mine)
        out[key] = merged(mine, value) if isinstance(mine, Mapping) and isinstance(value, Mapping) else value
    return out
