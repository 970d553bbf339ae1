"""Text from elsewhere, made fit to be shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")
_MAX_MESSAGE = 2000


def clean(text: str) -> str:
    """`text` from the wire, fit for a message or a log line: no control characters, a bounded length."""
    return _CONTROL.sub(" ", text).strip()[:_MAX_MESSAGE]


def printable(text: str) -> str:
    """The text without control characters: a model's or a server's words must not steer a terminal.

    Nor may they turn the order of what stands beside them (Unicode's embeddings, overrides and isolates).
    """
    return text.translate(_STEERING)


_STEERING: dict[int, str | None] = {
    **{code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"},
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A))),
    **dict.fromkeys((0x85, 0x2028, 0x2029), "\n"),
}


def is_sound(text: str) -> bool:
    """Whether every server takes the text as it is: there are no halves of surrogate pairs in it, and no NULs."""
    if "\x00" in text:
        return False
    if not text.isascii():  # which is known without looking
        try:
            text.encode()
        except UnicodeEncodeError:
            return False
    return True


def sound(text: str) -> str:
    """`text` as every server takes it: halves of surrogate pairs joined; lone ones and NULs become U+FFFD."""
    if is_sound(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\x00", "\ufffd")


def sound_json(value: Any) -> Any:
    """A JSON value with every text in it, names too, as every server takes it."""
    if isinstance(value, str):
        return sound(value)
    if isinstance(value, (list, tuple)):
        return [sound_json(one) for one in value]
    return {sound_json(key): sound_json(one) for key, one in value.items()} if isinstance(value, Mapping) else value
