"""How long a request may wait, phase by phase; reads the `timeout` extension of an httpx request too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ...core import clock

LONGEST = 20 * 86400.0
"""A longer wait, in seconds, is without a limit: systems count it in milliseconds, in 31 bits."""


class Timeouts(NamedTuple):
    """Seconds that one wait of each phase may last, `None` for no limit.

    `connect` covers the whole of opening a connection: name look-up, TCP and TLS. `read` covers the whole wait for the
    head of the response, then each wait for its body; `write` each pause while the request is sent. `until` is a time
    on clock.monotonic()'s clock at which every wait is over, whatever its phase.
    """

    connect: float | None = None
    read: float | None = None
    write: float | None = None
    pool: float | None = None
    until: float | None = None

    @classmethod
    def of(cls, extensions: Mapping[str, Any]) -> Timeouts:
        """Read httpx's form: `{"timeout": {"connect": 5.0, ...}}`, every key optional."""
        given = extensions.get("timeout") or {}
        return cls(given.get("connect"), given.get("read"), given.get("write"), given.get("pool"))

    def within(self, seconds: float | None) -> float | None:
        """`seconds`, or what is left until `until` if that is less: 0 when it has passed; `None` for no limit."""
        if self.until is not None:
            left = max(self.until - clock.monotonic(), 0.0)
            seconds = left if seconds is None or left < seconds else seconds
        return None if seconds is None or seconds > LONGEST else seconds

    def deadline(self, seconds: float | None) -> float | None:
        """When a wait of `seconds` that begins now is over, on clock.monotonic()'s clock."""
        if seconds is None:
            return self.until
        at = clock.monotonic() + seconds
        return at if self.until is None or at < self.until else self.until
