"""The shape of a frame as far as the rules read it: rules in, a tree of paths out, and from it the msgspec types.

The types hold only what is read, so that msgspec skips everything else in C. Fields get neutral names, so that no wire
text is pasted into source.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ...core import pieces
from ...core.exceptions import ConfigurationError
from ...tables.event_words import (
    PIECES,
    Each,
    Json,
    Rule,
    RuleLike,
    paths_of,
)
from ...tables.paths import Step, steps

Kind = Literal["text", "number", "flag", "key", "any", "json", "exists"]

_TYPES: dict[Kind, Any] = {
    "text": str,
    "number": int | float,
    "flag": bool,
    "key": int | float | str,
    "any": Any,
}
_KEYS = ("index", "block", "part")
_ANY_PIECES: tuple[type, ...] = (pieces.Failure, pieces.Logprobs, pieces.Citation, pieces.Progress)


def field_kind(rule: Rule, field: str) -> Kind:
    """What the rule's field wants to find at its path."""
    if rule.kind == "usage":
        return "number"
    if field in _KEYS:
        return "key"
    return "any" if PIECES[rule.kind] in _ANY_PIECES and field != "message" else "text"


class Node:
    """A place in the frame: what is wanted of the value itself, of its keys and of its elements."""

    __slots__ = ("children", "decode", "item", "kinds", "names", "type")

    def __init__(self) -> None:
        self.children: dict[str, Node] = {}
        self.item: Node | None = None
        self.kinds: set[Kind] = set()
        self.names: dict[str, str] = {}
        self.type: Any = None
        self.decode: msgspec.json.Decoder[Any] | None = None

    def at(self, path: tuple[Step, ...]) -> Node:
        """The node that `path` leads to, made where it is missing."""
        node = self
        for step in path:
            if isinstance(step, int):
                node.item = node.item or Node()
                node = node.item
            else:
                node = node.children.setdefault(step, Node())
        return node

    @property
    def raw(self) -> bool:
        """Whether the value is kept as its JSON."""
        return "json" in self.kinds

    @property
    def leaf(self) -> Kind | None:
        """The one kind of plain value wanted here."""
        kinds = self.kinds - {"json", "exists"}
        if kinds >= {"text", "number"} or "key" in kinds:
            return "key"
        return next(iter(kinds), None)


def shape(rules: tuple[RuleLike, ...]) -> Node:
    """The tree of everything that `rules` look at, with its types built."""
    root = Node()
    _collect(root, rules)
    _build(root)
    return root


def _collect(node: Node, rules: tuple[RuleLike, ...]) -> None:
    for rule in rules:
        if rule.where is not None:
            base = node if isinstance(rule, Rule) else _items(node, rule)
            base.at(steps(rule.where[0])).kinds.add(_constant_kind(rule.where[1]))
        if isinstance(rule, Each):
            _collect(_items(node, rule), rule.rules)
        else:
            _collect_rule(node, rule)


def _items(node: Node, rule: Each) -> Node:
    at = node.at(steps(rule.path))
    at.item = at.item or Node()
    return at.item


def _collect_rule(node: Node, rule: Rule) -> None:
    for path in paths_of(rule.when):
        node.at(steps(path)).kinds.add("exists")
    for field, value in rule.fields.items():
        kind: Kind = "json" if isinstance(value, Json) or rule.kind == "opaque" else field_kind(rule, field)
        if rule.kind == "opaque" and field != "payload":
            kind = "key"
        for path in paths_of(value):
            node.at(steps(path)).kinds.add(kind)


def _constant_kind(value: Any) -> Kind:
    if isinstance(value, bool):
        return "flag"
    return "number" if isinstance(value, (int, float)) else "text"


def _build(node: Node) -> Any:
    """The msgspec type of the node; `None` is always allowed beside it."""
    options: list[Any] = []
    leaf = node.leaf
    if node.children:
        options.append(_struct(node))
    if node.item is not None:
        options.append(list[_build(node.item)])  # type: ignore[misc]
    if leaf == "any" or (leaf is None and not options):
        if options:
            raise ConfigurationError("a path is read both as a whole value and by its parts; use json() for the whole")
        options.append(Any)
    elif leaf is not None:
        options.append(_TYPES[leaf])
    inner = _union(options)
    if node.raw:
        if node.children or node.item is not None or leaf is not None:
            node.decode = msgspec.json.Decoder(inner)
        node.type = msgspec.Raw
    else:
        node.type = inner
    return node.type


def _union(options: list[Any]) -> Any:
    kind: Any = None
    for option in options:
        kind = option | kind if option is not Any else Any
    return kind


def _struct(node: Node) -> type[msgspec.Struct]:
    fields = []
    for place, (key, child) in enumerate(node.children.items()):
        node.names[key] = f"f{place}"
        default = msgspec.Raw(b"") if child.raw else None
        fields.append((f"f{place}", _build(child), msgspec.field(default=default, name=key)))
    return msgspec.defstruct("Shape", fields, gc=False, module=__name__)
