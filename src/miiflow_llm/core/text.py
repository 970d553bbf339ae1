"""Text from elsewhere, made fit to be shown."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_MAX_MESSAGE = 2000


def clean(text: str) -> str:
    """`text` from the wire, fit for a message or a log line: no control characters, a bounded length."""
    return _CONTROL.sub(" ", text).strip()[:_MAX_MESSAGE]
