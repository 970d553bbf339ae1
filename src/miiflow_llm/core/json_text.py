"""The letters of JSON: escapes, surrogates, and how a place in a value is written.

In comes JSON text (or a path), out comes plain text. It knows nothing of values.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

REPLACEMENT: Final = "\ufffd"
"""What stands for a surrogate without its partner, which no UTF-8 text can hold."""

ESCAPE: Final = re.compile(
    r'\\(?:(["\\/bfnrt])'
    r"|u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
    r"|u([0-9a-fA-F]{4}))"
)
"""One escape: a short one, a surrogate pair, or a code unit."""

_HALF_ESCAPE = re.compile(
    r"\\(?:u[0-9a-fA-F]{0,3})?"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?"
)
_LONGEST_HALF: Final = 11
_ANY_ESCAPE = re.compile(ESCAPE.pattern + r"|\\.", re.DOTALL)
_RAW_SURROGATE = re.compile("[\ud800-\udfff]")
_SHORT_ESCAPES: Final = {
    '"': '"',
    "\\": "\\",
    "/": "/",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
}


def is_half_escape(text: str, at: int) -> bool:
    """Whether the text ends, from `at` on, in an escape or surrogate pair that more text could finish."""
    return len(text) - at <= _LONGEST_HALF and _HALF_ESCAPE.fullmatch(text, at) is not None


def unescaped(found: re.Match[str]) -> str:
    """What a match of `ESCAPE` stands for; U+FFFD for a lone surrogate."""
    short, high, low, code = found.groups()
    if short:
        return _SHORT_ESCAPES[short]
    if high:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
    point = int(code, 16)
    return REPLACEMENT if 0xD800 <= point <= 0xDFFF else chr(point)


def repair_surrogates(text: str) -> str:
    """JSON text with U+FFFD for each lone surrogate, escaped or raw; all else as it was."""
    return _RAW_SURROGATE.sub(REPLACEMENT, _ANY_ESCAPE.sub(_repaired, text))


_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|-?\b(?:Infinity|NaN)\b', re.DOTALL)
_CONTROL = re.compile("[\x00-\x1f]")
_NUMBERS: Final = {"Infinity": "1e999", "-Infinity": "-1e999", "NaN": "null", "-NaN": "null"}


def repair_json(text: str) -> str:
    """JSON text as it was meant: raw control characters inside strings escaped, Python's and JavaScript's infinite
    numbers as one out of range, NaN as null; all else as it was."""
    return _TOKENS.sub(_repaired_token, text)


_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_IN_STRING = re.compile(r"\\.|[\x00-\x1f]", re.DOTALL)


def escape_controls(text: str) -> str:
    """JSON text with raw control characters inside strings escaped, as models write them; all else as it was."""
    return _STRING.sub(_escaped, text) if _CONTROL.search(text) else text


def _escaped(found: re.Match[str]) -> str:
    return _IN_STRING.sub(
        lambda one: one.group() if len(one.group()) > 1 else f"\\u{ord(one.group()):04x}", found.group()
    )


def _repaired_token(found: re.Match[str]) -> str:
    token = found.group()
    if not token.startswith('"'):
        return _NUMBERS[token]
    return _CONTROL.sub(lambda one: f"\\u{ord(one.group()):04x}", token)


def _repaired(found: re.Match[str]) -> str:
    code = found.group(4)
    return REPLACEMENT if code and 0xD800 <= int(code, 16) <= 0xDFFF else found.group()


def path_text(path: tuple[str | int, ...]) -> str:
    """A path as text: `$.items[3].price`, and `$["a b"]` if a name is not a plain word."""
    return "$" + "".join(_segment(key) for key in path)


def _segment(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if key.isidentifier() else f"[{msgspec.json.encode(key).decode()}]"


__all__ = [
    "ESCAPE",
    "REPLACEMENT",
    "escape_controls",
    "is_half_escape",
    "path_text",
    "repair_json",
    "repair_surrogates",
    "unescaped",
]
