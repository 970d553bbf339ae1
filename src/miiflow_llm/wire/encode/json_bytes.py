"""A value of a request as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from ...core.exceptions import ConfigurationError

JSON_ERRORS = (UnicodeEncodeError, TypeError, RecursionError, OverflowError)
"""What is raised for a value of which no JSON can be written."""


def json_bytes(value: Any) -> bytes:
    """The value's JSON.

    Raises:
        ConfigurationError: none can be written of it.
    """
    try:
        return msgspec.json.encode(value)
    except JSON_ERRORS as reason:
        raise ConfigurationError(f"the request cannot be written as JSON: {reason}") from None
