"""What can be made to go wrong with a replayed answer, as values; `playback` and the servers carry them out.

Offsets count body bytes as the capture holds them; times are in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec


class CutAt(msgspec.Struct, frozen=True):
    """The body ends after `at` bytes: the connection breaks there, or, if `clean`, the transfer ends in good order."""

    at: int
    clean: bool = False


class Stall(msgspec.Struct, frozen=True):
    """After `after` body bytes (`None`: before the head) nothing more comes for `seconds`; `None` is for ever."""

    after: int | None = 0
    seconds: float | None = None


class Reset(msgspec.Struct, frozen=True):
    """After `after` body bytes (`None`: before the head) the connection is reset."""

    after: int | None = 0


class StatusFirst(msgspec.Struct, frozen=True):
    """The first `times` requests are answered with `status`, `headers` and `body` instead of a capture."""

    status: int
    times: int = 1
    headers: dict[str, str] = {}
    body: bytes = b'{"error":{"message":"try again later"}}'


class Trickle(msgspec.Struct, frozen=True):
    """Every piece of the body comes `delay` after the one before; with `size`, in pieces of so many bytes."""

    delay: float
    size: int | None = None


Fault = CutAt | Stall | Reset | StatusFirst | Trickle


class FaultPlan:
    """The faults laid over a replay, and how often `StatusFirst` has still to answer; they apply in their order."""

    def __init__(self, faults: Fault | Sequence[Fault] | None = None) -> None:
        self.faults = _listed(faults)
        self._left = [fault.times if isinstance(fault, StatusFirst) else 0 for fault in self.faults]

    def next_status(self) -> StatusFirst | None:
        """The status that answers the next request in a capture's stead, counted off; `None` when there is none."""
        for position, fault in enumerate(self.faults):
            if isinstance(fault, StatusFirst) and self._left[position]:
                self._left[position] -= 1
                return fault
        return None


def _listed(faults: Fault | Sequence[Fault] | None) -> tuple[Fault, ...]:
    if faults is None:
        return ()
    return tuple(faults) if isinstance(faults, Iterable) else (faults,)
