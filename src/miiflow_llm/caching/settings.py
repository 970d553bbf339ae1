"""What a cache was told: checked once, when it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from ..calls.parameters import Messages
from ..core.exceptions import ConfigurationError
from ..core.messages import Message, as_messages
from .flight import MAX_BYTES
from .fresh import Freshness
from .sources import Pace

Temperature = Literal["cache", "skip"]
Normalise = Callable[[list[Message]], Sequence[Message]]
"""Messages in, messages out, before the key is made of them; what is sent stays as it is."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """See `Cache` for what each means.

    Raises:
        ConfigurationError: a value that cannot be.
    """

    freshness: Freshness = Freshness()
    tenant: str | None = None
    samples: int = 1
    temperature: Temperature = "cache"
    calls: bool = False
    pace: Pace = None
    finish_abandoned: bool = False
    normalise: Normalise | None = None
    max_entry_bytes: int = 1024 * 1024
    max_flight_bytes: int = MAX_BYTES
    lock_seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ConfigurationError(f"cache: samples={self.samples!r}: 1 or more answers are kept for a call")
        if self.temperature not in ("cache", "skip"):
            raise ConfigurationError(f"cache: temperature={self.temperature!r}: 'cache' or 'skip'")
        if self.tenant == "":
            raise ConfigurationError(f"cache: tenant={self.tenant!r}: a name, or None for the key's own digest")
        slow = isinstance(self.pace, (int, float)) and self.pace <= 0
        if slow or (isinstance(self.pace, str) and self.pace != "original"):
            raise ConfigurationError(f"cache: pace={self.pace!r}: None, 'original', or chunks a second")
        for name in ("max_entry_bytes", "max_flight_bytes", "lock_seconds"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"cache: {name}={getattr(self, name)!r}: more than 0")

    def skips(self, parameters: Mapping[str, Any]) -> bool:
        """Whether a call is not one to be kept: it may answer differently each time, and that was said to matter."""
        return self.temperature == "skip" and parameters.get("temperature") != 0

    def normalised(self, messages: Messages) -> Messages:
        """The messages that the key is made of."""
        return messages if self.normalise is None else list(self.normalise(as_messages(messages)))
