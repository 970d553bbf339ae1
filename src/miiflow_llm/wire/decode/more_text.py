"""Frames that say nothing but more text, of which a long answer consists: rules in, a function that reads these out.

All rules but one are kept silent by the types alone: where another would fire, something must be absent, null or empty,
or msgspec refuses the frame. So one decode in C replaces the reader's tests, and what it refuses the reader reads.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from types import NoneType
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from ...tables.event_words import Absent, Each, Exists, First, Rule, RuleLike, Value, paths_of
from ...tables.paths import Step, steps
from .compile import defined
from .tolerant import takes_json

MoreText: TypeAlias = Callable[[bytes, Any], str]
"""Gives the text of a payload that goes on with the `Text` given, `""` for another's; raises as a compiled reader does.
"""

_ITEM: Final = "[]"
"""The step into each element of a list; no key is written so."""

_Path = tuple[Step, ...]
_Kind = Literal["text", "key", "null", "empty", "blank", "false", "zero"] | tuple[str]
"""What is allowed at a path: what a word names, a value where there is one in a tuple."""

_TYPES: dict[_Kind, Any] = {
    "text": str,
    "key": int | str | None,
    "null": NoneType,
    "empty": Literal[""] | tuple[()] | None,
    "blank": Literal[""] | None,
    "false": bool | None,
    "zero": Literal[0] | None,
}
_KEYS: Final = ("block", "part")
"""What must be as it was for a text to go on."""

_QUIET: tuple[_Kind, ...] = ("empty", "blank", "false", "null")
"""What fires no rule, the strictest last."""


class _UnfitError(Exception):
    """No reading of text alone can be made of this rule."""


class _Place(NamedTuple):
    """A rule where it stands: `at` leads to what its paths begin at, `where` are the conditions around it."""

    rule: RuleLike
    at: _Path
    where: tuple[tuple[_Path, Any], ...]

    def path(self, path: str) -> _Path:
        return self.at + steps(path)


def more_text(name: str, rules: tuple[RuleLike, ...]) -> MoreText | None:
    """The function for one kind of event, `None` where its rules allow none."""
    alone = _alone(rules)
    return None if alone is None else alone.compiled(name)


def allowed(rules: tuple[RuleLike, ...]) -> dict[str, str]:
    """What a frame of mere text may have at each path that a rule looks at, for people; nothing where there is none."""
    alone = _alone(rules)
    kinds = {} if alone is None else alone.kinds
    return {
        ".".join(map(str, path)).replace(f".{_ITEM}", _ITEM): repr(*kind) if isinstance(kind, tuple) else kind
        for path, kind in kinds.items()
    }


def _alone(rules: tuple[RuleLike, ...]) -> _Alone | None:
    places = list(_places(rules, (), ()))
    for place in places:
        if isinstance(place.rule, Rule) and place.rule.kind == "text":
            try:
                return _Alone(place, places)
            except _UnfitError:
                continue
    return None


def _places(rules: tuple[RuleLike, ...], at: _Path, where: tuple[tuple[_Path, Any], ...]) -> Iterator[_Place]:
    for rule in rules:
        inside = (*at, *steps(rule.path), _ITEM) if isinstance(rule, Each) else at
        own = where if rule.where is None else (*where, (inside + steps(rule.where[0]), rule.where[1]))
        yield _Place(rule, at, own)
        if isinstance(rule, Each):
            yield from _places(rule.rules, inside, own)


class _Alone:
    """The type of a frame in which one text rule fires and no other."""

    def __init__(self, chosen: _Place, places: list[_Place]) -> None:
        rule = chosen.rule
        assert isinstance(rule, Rule)  # noqa: S101  the caller looked
        self.text = _plain(chosen, rule.fields.get("text"))
        self.keys = {field: _key_paths(chosen, rule.fields[field]) for field in _KEYS if field in rule.fields}
        keys = [path for paths in self.keys.values() for path in paths]
        self.kinds: dict[_Path, _Kind] = {self.text: "text"}
        self._flags = {path for place in places for path, wanted in place.where if isinstance(wanted, bool)}
        self._own = [self.text, *(path for path, _ in chosen.where), *keys]
        for path, wanted in chosen.where:
            self._allow(path, _only(wanted))
        for path in keys:
            self._allow(path, "key")
        for field in rule.fields.keys() - {"text", *_KEYS}:
            self._allow(_plain(chosen, rule.fields[field]), "null")
        for place in places:
            if place is not chosen:
                self._silence(place)
        self.kinds = {path: kind for path, kind in self.kinds.items() if not self._is_below_another(path)}
        wanted = [path for path, kind in self.kinds.items() if isinstance(kind, tuple)]
        compared = [path for path, kind in self.kinds.items() if kind in ("key", "false")]
        self._required = [self.text, *wanted, *(path[:-1] for path in compared)]

    def compiled(self, name: str) -> MoreText:
        """The function; its source shows in tracebacks as `<table name: more text>`."""
        names: dict[_Path, str] = {}
        frame = self._type((), "frame", names)
        other = [names[path] for path, kind in self.kinds.items() if kind == "false"]
        for field in _KEYS:
            found = [names[path] for path in self.keys.get(field, ())]
            known = found.pop() if found else "None"
            for name in reversed(found):
                known = f"({name} if {name} is not None else {known})"
            other.append(f"last.{field} is not None" if known == "None" else f"{known} != last.{field}")
        source = (
            "def read(payload, last):\n"
            "    frame = decode(payload)\n"
            f"    if {' or '.join(other)}: return ''\n"
            f"    return {names[self.text]}\n"
        )
        read: MoreText = defined(f"{name}: more text", source, {"decode": msgspec.json.Decoder(frame).decode})
        return read

    def _type(self, at: _Path, name: str, names: dict[_Path, str]) -> Any:
        """The msgspec type of what is at a path; `names` gets the expression for each that has a kind."""
        if at in self.kinds:
            names[at] = name
            kind = self.kinds[at]
            return Literal[kind] if isinstance(kind, tuple) else _TYPES[kind]
        below = dict.fromkeys(path[: len(at) + 1] for path in self.kinds if _begins(path, at))
        if (*at, _ITEM) in below:
            return tuple[self._type((*at, _ITEM), f"{name}[0]", names)]  # type: ignore[misc]
        fields: list[Any] = []
        for place, path in enumerate(below):
            kind = self._type(path, f"{name}.f{place}", names)
            key = str(path[-1])
            if self._needed(path):
                fields.append((f"f{place}", kind, msgspec.field(name=key)))
            else:
                fields.append((f"f{place}", kind | None, msgspec.field(name=key, default=None)))
        return msgspec.defstruct("MoreText", fields, gc=False, module=__name__)

    def _needed(self, path: _Path) -> bool:
        return any(_begins(needed, path) for needed in self._required)

    def _allow(self, path: _Path, kind: _Kind) -> None:
        """Let nothing else stand at `path`."""
        if self.kinds.get(path, kind) != kind or self._below_text(path) or self._holds_own(path):
            raise _UnfitError
        self.kinds[path] = kind

    def _silence(self, place: _Place) -> None:
        """See to it that the rule does not fire where the chosen one does."""
        rule = place.rule
        if self._below_text(place.at) or any(self._excludes(path, wanted) for path, wanted in place.where):
            return
        if isinstance(rule, Each):
            path = (*place.path(rule.path), _ITEM)
            if not self._below_text(path) and not _begins(self.text, path):
                self._quiet(path[:-1], "empty")
        elif rule.when is None or (isinstance(rule.when, Absent) and not self._has_text(place, rule.when)):
            self._by_flag(place)
        elif not isinstance(rule.when, Absent):
            for name in paths_of(rule.when):
                self._quiet(place.path(name), _quiet_for(rule))

    def _quiet(self, path: _Path, kind: _Kind) -> None:
        """Let what is at `path` be nothing that fires a rule."""
        if self._below_text(path):
            return
        whole = tuple(itertools.takewhile(lambda step: isinstance(step, str), path))
        if whole in self._flags:
            kind = "false"
        there = self.kinds.get(whole)
        if there in _QUIET:
            self.kinds[whole] = max(there, kind, key=_QUIET.index)
        else:
            self._allow(whole, kind)

    def _by_flag(self, place: _Place) -> None:
        flags = [path for path, wanted in place.where if wanted is True]
        if not flags:
            raise _UnfitError
        self._allow(flags[0], "false")

    def _has_text(self, place: _Place, when: Absent) -> bool:
        return self.text in map(place.path, when.paths)

    def _below_text(self, path: _Path) -> bool:
        """Whether the path leads into the text, where nothing is."""
        return len(path) > len(self.text) and _begins(path, self.text)

    def _holds_own(self, path: _Path) -> bool:
        """Whether something that the chosen rule looks at is inside what the path leads to."""
        return any(len(path) < len(own) and _begins(own, path) for own in self._own)

    def _is_below_another(self, path: _Path) -> bool:
        return any(path[:end] in self.kinds for end in range(len(path)))

    def _excludes(self, path: _Path, wanted: Any) -> bool:
        kind = self.kinds.get(path)
        if self._below_text(path):
            return wanted is True or (isinstance(wanted, str) and bool(wanted))
        if wanted is True:
            return kind == "false"
        return isinstance(wanted, str) and isinstance(kind, tuple) and kind != (wanted,)


def _plain(place: _Place, value: Value | None) -> _Path:
    """The path of a value that is read from one place."""
    path = place.path(value) if isinstance(value, str) else (0,)
    if any(isinstance(step, int) for step in path):
        raise _UnfitError
    return path


def _key_paths(place: _Place, value: Value) -> tuple[_Path, ...]:
    """The paths of a key, the first that is there counts."""
    return tuple(_plain(place, path) for path in (value.paths if isinstance(value, First) else (value,)))


def _quiet_for(rule: Rule) -> _Kind:
    """What is allowed where the rule would look whether it fires: an empty list is a value where JSON becomes text."""
    if isinstance(rule.when, Exists):
        return "null"
    as_json = (takes_json(rule, field) for field, value in rule.fields.items() if value == rule.when)
    return "blank" if any(as_json) else "empty"


def _only(wanted: Any) -> _Kind:
    """What a condition of the chosen rule allows."""
    if wanted is False:
        return "false"
    if wanted == 0:
        return "zero"
    if not isinstance(wanted, str):
        raise _UnfitError
    return (wanted,)


def _begins(path: _Path, start: _Path) -> bool:
    return path[: len(start)] == start
