"""One call, as a cache was asked it."""

from __future__ import annotations

from typing import Any

import msgspec

from ..calls.parameters import Messages
from ..core.timeout import Timeout


class Asked(msgspec.Struct, frozen=True):
    """One call: `key` is `None` if it is not one to be kept."""

    key: str | None
    messages: Messages
    parameters: dict[str, Any]
    timeout: Timeout | float | None

    @property
    def given(self) -> dict[str, Any]:
        """What the client is called with."""
        return self.parameters if self.timeout is None else {**self.parameters, "timeout": self.timeout}

    @property
    def limits(self) -> Timeout | None:
        """The limits of this reader, if it named any."""
        return None if self.timeout is None else Timeout.of(self.timeout)
