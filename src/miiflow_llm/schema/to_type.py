"""Read JSON as a value of a Python type, or raise an error that says where it does not fit."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ..core.exceptions import MiiflowLLMError, ParsingError
from ..core.json_text import escape_controls, repair_surrogates
from .pydantic_types import first_error, read
from .readable import readable
from .stand_ins import is_foreign, pydantics, read_value, words_of

_PATH = re.compile(r" - at `(?:key` in `)?([^`]*)`")


def decode_as(type_: Any, text: str | bytes) -> Any:
    """The JSON in `text` as a value of the type; for a schema given as a dict, the plain JSON value.

    Raises:
        ParsingError: it is not UTF-8, not JSON, or not of the type; the error says where.
        ConfigurationError: no JSON can be read as the type.
    """
    shown = text if isinstance(text, str) else _utf8(text)
    data = escape_controls(repair_surrogates(shown))
    if isinstance(type_, dict):
        return _plain(data, shown)
    type_ = readable(type_)
    try:
        if is_foreign(type_):
            return read(pydantics(type_), data)
        return msgspec.json.decode(data, type=type_, dec_hook=read_value)
    except (msgspec.DecodeError, RecursionError) as reason:
        raise _mismatch(shown, str(reason)) from None
    except ValueError as reason:
        words, path = first_error(reason, _plain(data, shown))
        raise _mismatch(shown, f"{words} - at `{path}`") from None
    except MiiflowLLMError:
        raise
    except Exception as reason:  # whatever the caller's own class raises means that the value does not fit
        raise _mismatch(shown, words_of(reason)) from None


def _utf8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as reason:
        words = f"the bytes are not UTF-8 from byte {reason.start} on"
        raise _mismatch(data.decode("utf-8", "replace"), words) from None


def _plain(data: str, shown: str) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as reason:
        raise _mismatch(shown, str(reason)) from None


def _mismatch(text: str, reason: str) -> ParsingError:
    """The error of a reason that ends in the path; a hook's comes first and is the inner part of msgspec's."""
    inner = [found.removeprefix("$") for found in reversed(_PATH.findall(reason))]
    path = "$" + "".join(inner)
    words = _PATH.sub("", reason)
    return ParsingError(f"the answer does not follow the schema at {path}: {words}", text=text, path=path, reason=words)
