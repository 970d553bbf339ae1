"""The tolerant second reading: the same rules over plain decoded JSON, one dict step at a time.

It takes what the typed decoder refuses (a number as a string, an object where JSON text was expected, a list of texts
where a string was), and is the plain reading that tests compare the generated functions with. What stands beside the
answer (usage, names, citations, log probabilities) is never a reason to lose it: a value there that cannot be read is
passed over.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from ...core.json_text import repair_json, repair_surrogates
from ...core.pieces import Piece, Usage
from ...tables.event_words import (
    PIECES,
    Absent,
    Const,
    Each,
    Exists,
    Json,
    Other,
    Position,
    Rule,
    RuleLike,
    Value,
    paths_of,
)
from ...tables.paths import steps
from .compile import present
from .shapes import Kind, field_kind

_DECODER = msgspec.json.Decoder(float_hook=float)
"""Takes 1e400, which Python's float does too, as infinite."""

_JSON_AS_TEXT = {"tool_call": ("arguments", "in_full"), "failure": ("message",)}
_BESIDE = frozenset({"usage", "meta", "logprobs", "citation", "progress", "failure"})


def takes_json(rule: Rule, field: str) -> bool:
    """Whether the field takes a value that is not a string as its JSON."""
    return field in _JSON_AS_TEXT.get(rule.kind, ())


class Mismatch(Exception):
    """The value at `path` is of a kind that nothing can be made of."""

    def __init__(self, path: str, value: Any) -> None:
        super().__init__(f"{type(value).__name__} at {path}")
        self.path = path


class _NoWayError(Mismatch):
    """The path leads through a value that has no keys."""


def decode_leniently(data: bytes) -> Any:
    """JSON as values, mended where what was meant is plain, rather than lose the frame.

    Bytes that are not UTF-8 and lone surrogates become U+FFFD, numbers out of range infinite, NaN null; raw control
    characters in strings stay.

    Raises:
        msgspec.DecodeError: it is not JSON all the same.
    """
    try:
        return _DECODER.decode(data)
    except (UnicodeDecodeError, msgspec.DecodeError):
        text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    try:
        return _DECODER.decode(text)
    except msgspec.DecodeError:
        return _DECODER.decode(repair_json(repair_surrogates(text)))


def walk(rules: tuple[RuleLike, ...], frame: Any) -> list[Piece]:
    """The pieces that `rules` read in `frame`, plain decoded JSON.

    Raises:
        Mismatch: a value is of a kind that nothing can be made of.
    """
    out: list[Piece] = []
    if frame is not None:
        _run(rules, frame, out)
    return out


def _run(rules: tuple[RuleLike, ...], at: Any, out: list[Piece], place: int | None = None) -> None:
    for rule in rules:
        if isinstance(rule, Each):
            for number, value in enumerate(_elements(rule, at)):
                if value is not None and _where(rule.where, value):
                    _run(rule.rules, value, out, number)
        elif rule.kind in _BESIDE:
            _run_beside(rule, at, out, place)
        elif _where(rule.where, at) and _fires(rule, at):
            _emit(rule, at, out, place)


def _elements(rule: Each, at: Any) -> list[Any]:
    try:
        values = _find(at, rule.path)
    except Mismatch:
        if not all(isinstance(inner, Rule) and inner.kind in _BESIDE for inner in rule.rules):
            raise
        return []
    if isinstance(values, dict) and all(isinstance(inner, Rule) and inner.kind == "tool_call" for inner in rule.rules):
        return [values]  # one call is as plain as a list of one
    return values if isinstance(values, list) else []


def _run_beside(rule: Rule, at: Any, out: list[Piece], place: int | None) -> None:
    try:
        if _where(rule.where, at) and _fires(rule, at):
            _emit(rule, at, out, place)
    except Mismatch:
        pass


def _find(at: Any, path: str) -> Any:
    for step in steps(path):
        if isinstance(step, int):
            at = at[step] if isinstance(at, list) and len(at) > step else None
        elif isinstance(at, dict):
            at = at.get(step)
        elif at is None or isinstance(at, (str, list)):
            return None
        else:
            raise _NoWayError(path, at)
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
    """The value at `path`; if it is the rule's own field, as that field takes it."""
    return _find(at, path) if field is None else _coerced(rule, field, path, _own(rule, path, at))


def _own(rule: Rule, path: str, at: Any) -> Any:
    """The value at `path`; an object that the rule also looks into is not the value itself."""
    found = _find(at, path)
    if isinstance(found, dict):
        others = (other for value in rule.fields.values() for other in paths_of(value))
        return None if any(other.startswith(f"{path}.") for other in others) else found
    return found


def _emit(rule: Rule, at: Any, out: list[Piece], place: int | None) -> None:
    if rule.kind == "usage":
        found = {field: _counter(rule, field, value, at) for field, value in rule.fields.items()}
        counters = {field: value for field, value in found.items() if value is not None}
        if counters:
            out.append(Usage(counters))
        return
    values = {field: _value(rule, field, value, at, place) for field, value in rule.fields.items()}
    piece: Any = PIECES[rule.kind](**values)
    out.append(piece)


def _counter(rule: Rule, field: str, value: Value, at: Any) -> int | float | None:
    """The counter, NaN if it cannot be read: only the counter is lost, not the frame."""
    try:
        found: int | float | None = _value(rule, field, value, at, None)
    except _NoWayError:
        return None
    except Mismatch:
        return math.nan
    return found


def _value(rule: Rule, field: str, value: Value, at: Any, place: int | None) -> Any:
    if isinstance(value, Const):
        return value.value
    if isinstance(value, Position):
        return place
    if isinstance(value, Json):
        return _json(rule, field, value, at)
    for path in paths_of(value):
        found = _coerced(rule, field, path, _own(rule, path, at))
        if present(found) or path == paths_of(value)[-1]:
            return found
    return None


def _json(rule: Rule, field: str, value: Json, at: Any) -> bytes | str | None:
    found = _find(at, value.path)
    if found is None or (value.skip_empty and found == {}):
        return None
    if isinstance(found, str) and takes_json(rule, field):
        return found
    raw = msgspec.json.encode(found)
    return raw if field == "payload" else raw.decode()


def _coerced(rule: Rule, field: str, path: str, value: Any) -> Any:
    kind: Kind = "key" if rule.kind == "opaque" else field_kind(rule, field)
    if value is None or kind == "any":
        return value
    if kind == "text":
        return _text(rule, field, path, value)
    return _number(path, value) if kind == "number" else _key(path, value)


def _text(rule: Rule, field: str, path: str, value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if takes_json(rule, field):
        return msgspec.json.encode(value).decode()
    if isinstance(value, list):
        return "".join(value) if all(isinstance(item, str) for item in value) else None
    if isinstance(value, (int, float)) or (value and rule.kind in ("text", "reasoning", "refusal")):
        return msgspec.json.encode(value).decode()
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
