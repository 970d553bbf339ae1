"""How long a caller is willing to wait, phase by phase."""

from __future__ import annotations

import msgspec

from .exceptions import ConfigurationError


class Timeout(msgspec.Struct, frozen=True, kw_only=True):
    """Limits in seconds; `None` means no limit.

    `connect` covers DNS, TCP and TLS; `pool` the wait for a free connection; `write` a pause while the request is
    sent. `first_output` runs from the request being sent to the first output of the answer, and `idle` from one
    output to the next: keep-alive comments, pings and empty deltas are not output and reset neither. `total` covers
    the whole call with its retries and, for a stream, the consumer's own time.

    The defaults suit LLMs: reasoning models are silent for minutes before they begin.

    Raises:
        ConfigurationError: a limit is not a number of seconds above 0.
    """

    connect: float | None = 10.0
    pool: float | None = 30.0
    write: float | None = 60.0
    first_output: float | None = 600.0
    idle: float | None = 120.0
    total: float | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is not None and not _is_limit(value):
                raise ConfigurationError(f"Timeout({name}={value!r}): give seconds above 0, or None for no limit")

    @classmethod
    def of(cls, value: Timeout | float | None) -> Timeout:
        """A `Timeout` from what users write: one, a number (each single wait, as in httpx) or `None` (no limit).

        Raises:
            ConfigurationError: it is something else, or a number that is not above 0.
        """
        if isinstance(value, Timeout):
            return value
        if value is not None and not _is_limit(value):
            raise ConfigurationError(f"timeout={value!r}: give a Timeout, seconds above 0, or None for no limit")
        return cls(connect=value, pool=value, write=value, first_output=value, idle=value)


def _is_limit(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
