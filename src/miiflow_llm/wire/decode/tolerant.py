"""The tolerant second reading: the same rules over plain decoded JSON, one dict step at a time.

It takes what the typed decoder refuses (a number as a string, an object where JSON text was expected, a list of texts
where a string was), and is the plain reading that tests compare the generated functions with.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from ...core.json_text import repair_surrogates
from ...core.pieces import Piece, Usage
from ...tables.event_words import PIECES, Absent, Const, Each, Exists, Json, Other, Rule, RuleLike, Value, paths_of
from ...tables.paths import steps
from .compile import present
from .shapes import Kind, field_kind

_DECODER = msgspec.json.Decoder(float_hook=float)
"""Takes 1e400, which Python's float does too, as infinite."""


JSON_AS_TEXT = ("arguments", "message")
"""The fields that take a value which is no string as its JSON."""


class Mismatch(Exception):
    """The value at `path` is of a kind that nothing can be made of."""

    def __init__(self, path: str, value: Any) -> None:
        super().__init__(f"{type(value).__name__} at {path}")
        self.path = path


def decode_leniently(data: bytes) -> Any:
    """JSON as values. Bytes that are no UTF-8 and lone surrogates become U+FFFD, numbers out of range infinite, rather
    than lose the frame.

    Raises:
        msgspec.DecodeError: it is no JSON all the same.
    """
    try:
        return _DECODER.decode(data)
    except (UnicodeDecodeError, msgspec.DecodeError):
        text = data.decode("utf-8", "replace")
    try:
        return _DECODER.decode(text)
    except msgspec.DecodeError:
        return _DECODER.decode(repair_surrogates(text))


def walk(rules: tuple[RuleLike, ...], frame: Any) -> list[Piece]:
    """The pieces that `rules` read in `frame`, plain decoded JSON.

    Raises:
        Mismatch: a value is of a kind that nothing can be made of.
    """
    out: list[Piece] = []
    if frame is not None:
        _run(rules, frame, out)
    return out


def _run(rules: tuple[RuleLike, ...], at: Any, out: list[Piece]) -> None:
    for rule in rules:
        if isinstance(rule, Each):
            values = _find(at, rule.path)
            if isinstance(values, list):
                for value in values:
                    if value is not None and _where(rule.where, value):
                        _run(rule.rules, value, out)
        elif _where(rule.where, at) and _fires(rule, at):
            _emit(rule, at, out)


def _find(at: Any, path: str) -> Any:
    for step in steps(path):
        if isinstance(step, int):
            at = at[step] if isinstance(at, list) and len(at) > step else None
        elif isinstance(at, dict):
            at = at.get(step)
        elif at is None or isinstance(at, (str, list)):
            return None
        else:
            raise Mismatch(path, at)
    return at


def _where(where: tuple[str, Any] | None, at: Any) -> bool:
    if where is None:
        return True
    value, wanted = _find(at, where[0]), where[1]
    if isinstance(wanted, bool):
        return bool(value) == wanted
    if isinstance(wanted, Other):
        return (value or "") not in wanted.values
    if isinstance(wanted, (int, float)):
        return (_number(where[0], value) or 0) == wanted
    return bool((value or "") == wanted)


def _fires(rule: Rule, at: Any) -> bool:
    when = rule.when
    if when is None:
        return True
    if isinstance(when, Exists):
        return _find(at, when.path) is not None
    if isinstance(when, Absent):
        return all(_find(at, path) is None for path in when.paths)
    field = next((field for field, value in rule.fields.items() if value == when), None)
    return any(present(_wanted(rule, field, path, at)) for path in paths_of(when))


def _wanted(rule: Rule, field: str | None, path: str, at: Any) -> Any:
    """The value at `path`; where it is the rule's own field, as that field takes it."""
    found = _find(at, path)
    return found if field is None else _coerced(path, found, _kind(rule, field), field)


def _kind(rule: Rule, field: str) -> Kind:
    return "key" if rule.kind == "opaque" else field_kind(rule, field)


def _emit(rule: Rule, at: Any, out: list[Piece]) -> None:
    if rule.kind == "usage":
        found = {field: _counter(rule, field, value, at) for field, value in rule.fields.items()}
        counters = {field: value for field, value in found.items() if value is not None}
        if counters:
            out.append(Usage(counters))
        return
    values = {field: _value(rule, field, value, at) for field, value in rule.fields.items()}
    piece: Any = PIECES[rule.kind](**values)
    out.append(piece)


def _counter(rule: Rule, field: str, value: Value, at: Any) -> int | float | None:
    """The counter; NaN for what is none: it alone is lost, not the frame."""
    try:
        found: int | float | None = _value(rule, field, value, at)
    except Mismatch:
        return math.nan
    return found


def _value(rule: Rule, field: str, value: Value, at: Any) -> Any:
    if isinstance(value, Const):
        return value.value
    if isinstance(value, Json):
        found = _find(at, value.path)
        raw = None if found is None or (value.skip_empty and found == {}) else msgspec.json.encode(found)
        return raw if field == "payload" or raw is None else raw.decode()
    kind = _kind(rule, field)
    for path in paths_of(value):
        found = _coerced(path, _find(at, path), kind, field)
        if present(found) or path == paths_of(value)[-1]:
            return found
    return None


def _coerced(path: str, value: Any, kind: Kind, field: str) -> Any:
    if value is None or kind == "any":
        return value
    if kind == "text":
        return _text(path, value, field)
    return _number(path, value) if kind == "number" else _key(path, value)


def _text(path: str, value: Any, field: str) -> str | None:
    if isinstance(value, str):
        return value
    if field in JSON_AS_TEXT:
        return msgspec.json.encode(value).decode()
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "".join(value)
    if isinstance(value, list):
        return None
    if isinstance(value, (int, float)):
        return str(value)
    raise Mismatch(path, value)


def _number(path: str, value: Any) -> int | float | None:
    if value is None or isinstance(value, (int, float)):
        return value
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            pass
    raise Mismatch(path, value)


def _key(path: str, value: Any) -> int | float | str:
    if isinstance(value, (int, float, str)):
        return value
    raise Mismatch(path, value)
