"""Turn rules into a function: a list of rules in, one generated Python function and its msgspec decoder out.

The source is registered in `linecache`, so that tracebacks and profilers show it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ...core.pieces import Piece
from ...tables.event_words import (
    PIECES,
    Absent,
    Condition,
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
from ..generated import run
from .shapes import Node, shape

READ_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a compiled function raises for a payload that is not for it."""


class Reader(msgspec.Struct):
    """A compiled list of rules: `read(payload)` gives the pieces; `source` is its generated text."""

    name: str
    source: str
    read: Callable[[bytes], list[Piece]]


def compile_rules(name: str, rules: tuple[RuleLike, ...]) -> Reader:
    """The reader of one kind of event; `name` shows in tracebacks as `<table name>`."""
    root = shape(rules)
    writer = _Writer(root)
    source = writer.write(rules)
    return Reader(name, source, defined(name, source, writer.constants))


def defined(name: str, source: str, constants: dict[str, Any]) -> Any:
    """The function `read` of a source, which holds no wire text, only neutral names."""
    return run(name, source, constants)["read"]


class _Writer:
    """Writes the body of one function, scope by scope; `constants` are the names that it uses."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.lines: list[str] = []
        self.count = 0
        self.constants: dict[str, Any] = {
            "decode": msgspec.json.Decoder(root.type).decode,
            "present": present,
            "text": _text,
            "arguments": _arguments,
            **{kind.__name__: kind for kind in PIECES.values()},
        }

    def write(self, rules: tuple[RuleLike, ...]) -> str:
        self.lines = ["def read(payload):", "    frame = decode(payload)", "    out = []"]
        self._line(1, "if frame is None: return out")
        self._rules(1, rules, _Scope("frame", self.root))
        self._line(1, "return out")
        return "\n".join(self.lines) + "\n"

    def _line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def _name(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def _constant(self, value: Any) -> str:
        if value is None or isinstance(value, (bool, int)):
            return repr(value)
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def _rules(self, depth: int, rules: tuple[RuleLike, ...], scope: _Scope) -> None:
        for rule in rules:
            if isinstance(rule, Each):
                self._each(depth, rule, scope)
            else:
                self._rule(depth, rule, scope)

    def _each(self, depth: int, rule: Each, scope: _Scope) -> None:
        values, node = self._path(depth, rule.path, scope)
        element, item = self._name(), node.item
        assert item is not None  # noqa: S101  the shape was made from this rule
        place = self._name() if _asks_for_position(rule) else None
        self._line(depth, f"if type({values}) is list:")
        if place is None:
            self._line(depth + 1, f"for {element} in {values}:")
        else:
            self._line(depth + 1, f"for {place}, {element} in enumerate({values}):")
        self._line(depth + 2, f"if {element} is None: continue")
        inner = _Scope(element, item, position=place)
        if rule.where is not None:
            self._line(depth + 2, f"if not ({self._where(depth + 2, rule.where, inner)}): continue")
        self._rules(depth + 2, rule.rules, inner)

    def _rule(self, depth: int, rule: Rule, scope: _Scope) -> None:
        conditions = []
        if rule.where is not None:
            conditions.append(self._where(depth, rule.where, scope))
        if rule.when is not None:
            conditions.append(self._condition(depth, rule.when, scope, of_value=rule.when in rule.fields.values()))
        if conditions:
            self._line(depth, f"if {' and '.join(conditions)}:")
            depth, scope = depth + 1, scope.nested()
        if rule.kind == "usage":
            self._counters(depth, rule, scope)
        else:
            self._piece(depth, rule, scope)

    def _piece(self, depth: int, rule: Rule, scope: _Scope) -> None:
        kind = PIECES[rule.kind]
        order = list(kind.__struct_fields__)
        given = sorted(rule.fields.items(), key=lambda item: order.index(item[0]))
        arguments = []
        for place, (field, value) in enumerate(given):
            name = self._value(depth, value, scope)
            if isinstance(value, Json) and field != "payload":
                name = f"{'arguments' if rule.kind == 'tool_call' else 'text'}({name})"
            arguments.append(name if order[place] == field else f"{field}={name}")
        self._line(depth, f"out.append({kind.__name__}({', '.join(arguments)}))")

    def _counters(self, depth: int, rule: Rule, scope: _Scope) -> None:
        counters = self._name()
        self._line(depth, f"{counters} = {{}}")
        for field, value in rule.fields.items():
            name = self._value(depth, value, scope)
            self._line(depth, f"if {name} is not None: {counters}[{self._constant(field)}] = {name}")
        self._line(depth, f"if {counters}: out.append(Usage({counters}))")

    def _where(self, depth: int, where: tuple[str, Any], scope: _Scope) -> str:
        path, wanted = where
        value, node = self._path(depth, path, scope)
        value = _only_leaf(value, node)
        if isinstance(wanted, bool):
            return value if wanted else f"not {value}"
        if isinstance(wanted, Other):
            return f"({value} or '') not in {self._constant(wanted.values)}"
        empty = 0 if isinstance(wanted, (int, float)) else ""
        return f"({value} or {empty!r}) == {self._constant(wanted)}"

    def _condition(self, depth: int, when: Condition, scope: _Scope, *, of_value: bool) -> str:
        names = [self._path(depth, path, scope) for path in paths_of(when)]
        if isinstance(when, Exists):
            return f"{names[0][0]} is not None"
        if isinstance(when, Absent):
            return " and ".join(f"{name} is None" for name, _ in names)
        test = _leaf_test if of_value else _test
        tests = [test(name, node) for name, node in names]
        return f"({' or '.join(tests)})" if len(tests) > 1 else tests[0]

    def _value(self, depth: int, value: Value, scope: _Scope) -> str:
        if isinstance(value, Const):
            return self._constant(value.value)
        if isinstance(value, Position):
            return scope.position or "None"
        if isinstance(value, Json):
            name = self._walk(depth, value.path, scope)[0]
            return f"(None if {name} == b'{{}}' else {name})" if value.skip_empty else name
        found = [self._path(depth, path, scope) for path in paths_of(value)]
        name, node = found[-1]
        chosen = _only_leaf(name, node)
        for name, node in reversed(found[:-1]):
            chosen = f"({name} if {_leaf_test(name, node)} else {chosen})"
        return chosen

    def _path(self, depth: int, path: str, scope: _Scope) -> tuple[str, Node]:
        """The variable that holds the value at `path`, decoded where it was kept as JSON."""
        name, node = self._walk(depth, path, scope)
        if node.raw and node.decode is not None:
            return self._opened(depth, name, node, scope), node
        return name, node

    def _opened(self, depth: int, name: str, node: Node, scope: _Scope) -> str:
        key = (name, "opened")
        if key not in scope.known:
            assert node.decode is not None  # noqa: S101  the caller looked
            opened = self._name()
            self._line(
                depth,
                f"{opened} = {self._constant(node.decode.decode)}({name}) if {name} is not None else None",
            )
            scope.known[key] = opened
        return scope.known[key]

    def _walk(self, depth: int, path: str, scope: _Scope) -> tuple[str, Node]:
        name, node = scope.name, scope.node
        sure = True
        if node.raw:
            name = self._bytes(depth, name, scope)
        for step in steps(path):
            if node.raw and node.decode is not None:
                name = self._opened(depth, name, node, scope)
                sure = False
            name, node = self._step(depth, name, node, step, sure, scope)
            sure = False
        return name, node

    def _step(self, depth: int, name: str, node: Node, step: str | int, sure: bool, scope: _Scope) -> tuple[str, Node]:
        key = (name, step)
        child = node.children[step] if isinstance(step, str) else node.item
        assert child is not None  # noqa: S101  the shape was made from these paths
        if key not in scope.known:
            variable = self._name()
            self._line(depth, f"{variable} = {_access(name, node, step, sure)}")
            scope.known[key] = self._bytes(depth, variable, scope) if child.raw else variable
        return scope.known[key], child

    def _bytes(self, depth: int, name: str, scope: _Scope) -> str:
        """The bytes of a `Raw`, `None` where it is absent or null."""
        key = (name, "bytes")
        if key not in scope.known:
            variable = self._name()
            self._line(depth, f"{variable} = bytes({name}) if {name} is not None else b''")
            self._line(depth, f"if not {variable} or {variable} == b'null': {variable} = None")
            scope.known[key] = variable
        return scope.known[key]


class _Scope:
    """The variables known at a place of the function; `position` holds the element's place in its list."""

    def __init__(
        self,
        name: str,
        node: Node,
        known: dict[tuple[str, str | int], str] | None = None,
        position: str | None = None,
    ) -> None:
        self.name = name
        self.node = node
        self.known = known if known is not None else {}
        self.position = position

    def nested(self) -> _Scope:
        return _Scope(self.name, self.node, dict(self.known), self.position)


def _asks_for_position(rule: Each) -> bool:
    inner = (one for one in rule.rules if isinstance(one, Rule))
    return any(isinstance(value, Position) for one in inner for value in one.fields.values())


def _access(name: str, node: Node, step: str | int, sure: bool) -> str:
    if isinstance(step, int):
        return f"{name}[{step}] if type({name}) is list and len({name}) > {step} else None"
    field = f"{name}.{node.names[step]}"
    if node.leaf is not None or node.item is not None:
        return f"{field} if hasattr({name}, {node.names[step]!r}) else None"
    return field if sure else f"{field} if {name} is not None else None"


def _only_leaf(name: str, node: Node) -> str:
    """The value where it is plain; a list or object that stood there instead is `None`."""
    if node.item is None and not node.children:
        return name
    if node.leaf == "text":
        return f"({name} if type({name}) is str else None)"
    return f"({name} if isinstance({name}, (str, int, float)) else None)"


def _leaf_test(name: str, node: Node) -> str:
    """Whether the plain value is present, where a list or an object may stand instead."""
    if node.leaf == "text" and (node.item is not None or node.children):
        return f"(type({name}) is str and {name} != '')"
    return _test(name, node)


def _test(name: str, node: Node) -> str:
    if node.raw and node.decode is None:
        return f"{name} is not None"
    if node.leaf == "text" and node.item is None and not node.children:
        return name
    if node.leaf == "number" or (node.leaf is None and (node.children or node.item is not None)):
        return f"{name} is not None" if node.item is None else name
    return f"({name} is not None and present({name}))"


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode()


def _arguments(raw: bytes | None) -> str | None:
    """The JSON as text; the text itself if that is what the server put in place of an object."""
    if raw is not None and raw.startswith(b'"'):
        text: str = msgspec.json.decode(raw)
        return text
    return _text(raw)


def present(value: Any) -> bool:
    """Law 3: a string or list not empty, a number or object not null, a boolean true."""
    if value is None or value is False:
        return False
    return not isinstance(value, (str, list)) or bool(value)
