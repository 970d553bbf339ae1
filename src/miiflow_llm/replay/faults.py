"""Faults to lay over a replay: what goes wrong, where. They know bytes and seconds, nothing of a provider."""

from __future__ import annotations

import msgspec


class CutAt(msgspec.Struct, frozen=True):
    """The body ends in good order after `offset` bytes, as if it were complete."""

    offset: int


class Reset(msgspec.Struct, frozen=True):
    """The connection breaks after `after` bytes of the body."""

    after: int


class Stall(msgspec.Struct, frozen=True):
    """Nothing comes for `seconds` after `after` bytes of the body."""

    after: int
    seconds: float = 3600.0


class Trickle(msgspec.Struct, frozen=True):
    """Each piece comes `delay` seconds after the one before."""

    delay: float


class StatusFirst(msgspec.Struct, frozen=True):
    """The first `times` requests are answered with `status`, and only then the capture."""

    status: int
    times: int = 1
    headers: dict[str, str] = {}
    body: bytes = b'{"error":{"message":"try again later"}}'


Fault = CutAt | Reset | Stall | Trickle | StatusFirst
