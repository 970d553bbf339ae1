"""The spans of time that a budget holds for: calendar ones, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import inf
from typing import Literal, TypeAlias

import msgspec

Per: TypeAlias = Literal["minute", "hour", "day", "week", "month", "total"]
"""`week` begins on Monday, `total` never ends."""
PERS: tuple[Per, ...] = ("minute", "hour", "day", "week", "month", "total")

_FOR_EVER = 400 * 86400.0


class Window(msgspec.Struct, frozen=True):
    """One of them: its name, and how many seconds are left of it; `None` if it does not end."""

    name: str
    left: float | None
    end: float = inf
    """When it ends, in seconds since 1970."""

    @property
    def kept(self) -> float:
        """For how many seconds what was spent in it is remembered: a day longer, for calls that end late."""
        return _FOR_EVER if self.left is None else self.left + 86400.0


def window(per: Per, now: datetime) -> Window:
    """The one that `now` is in."""
    begun = now.astimezone(UTC).replace(microsecond=0)
    if per == "total":
        return Window("total", None)
    if per == "minute":
        start = begun.replace(second=0)
        end = start + timedelta(minutes=1)
    elif per == "hour":
        start = begun.replace(second=0, minute=0)
        end = start + timedelta(hours=1)
    else:
        start = begun.replace(second=0, minute=0, hour=0)
        start, end = _days(per, start)
    return Window(start.strftime("%Y-%m-%dT%H:%M"), (end - now).total_seconds(), end.timestamp())


def _days(per: Per, today: datetime) -> tuple[datetime, datetime]:
    if per == "week":
        start = today - timedelta(days=today.weekday())
        return start, start + timedelta(days=7)
    if per == "month":
        start = today.replace(day=1)
        return start, (start + timedelta(days=32)).replace(day=1)
    return today, today + timedelta(days=1)
