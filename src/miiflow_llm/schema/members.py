"""Read the members of the classes that users answer in, with annotations and defaults, and how one is made.

Dataclasses, attrs classes, Structs, TypedDicts and NamedTuples are such classes.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_origin

import msgspec

from .annotations import default_of, is_field, key_of, notes_of

NO_DEFAULT: Any = msgspec.UNSET
_WRAPPERS = ("Required", "NotRequired", "ReadOnly")
"""What wraps the type of a TypedDict's member."""


class Member(msgspec.Struct):
    """A field: its name in Python, its key in JSON, its annotation, and what it is if the JSON has none.

    `default` is `NO_DEFAULT` if there is none. With `optional` and no default it may be absent: then its class fills it
    in, or, in a TypedDict, it is not there. `changed` says that msgspec would not read it so from the class itself.
    """

    name: str
    key: str
    hint: Any
    default: Any = NO_DEFAULT
    optional: bool = False
    changed: bool = False
    fresh: Callable[[], Any] | None = None
    """What makes the default, if it is made anew each time."""


class Made(msgspec.Struct):
    """A class as its members, and what makes one of it from their values by name."""

    members: list[Member]
    make: Callable[..., Any]
    config: Mapping[str, Any] = {}
    """Settings of the Struct that stands for the class: `array_like`, `tag` and the like."""
    checks: bool = False
    """Whether the class checks itself when it is made, and may raise what it likes."""


def made_of(type_: Any) -> Made | None:
    """The class, generic or not, as its members; `None` if it has no members.

    Raises:
        NameError: an annotation names what cannot be found.
    """
    class_ = get_origin(type_) or type_
    if not isinstance(class_, type):
        return None
    reader = _reader(class_)
    if reader is None:
        return None
    hints = _substituted(type_, class_, typing.get_type_hints(class_, include_extras=True))
    made = reader(class_, hints)
    made.checks = hasattr(class_, "__post_init__") or hasattr(class_, "__attrs_post_init__")
    made.members = [_with_field(member) for member in made.members]
    return made


def _reader(class_: type) -> Callable[[Any, dict[str, Any]], Made] | None:
    if dataclasses.is_dataclass(class_):
        return _dataclass
    if hasattr(class_, "__attrs_attrs__"):
        return _attrs
    if issubclass(class_, msgspec.Struct):
        return _struct
    if hasattr(class_, "__required_keys__"):
        return _typed_dict
    return _named_tuple if issubclass(class_, tuple) and hasattr(class_, "_fields") else None


def _dataclass(class_: Any, hints: dict[str, Any]) -> Made:
    fields = {field.name: field for field in dataclasses.fields(class_)}
    members = []
    for name, hint in hints.items():
        if isinstance(hint, dataclasses.InitVar):
            default = getattr(class_, name, NO_DEFAULT)
            members.append(Member(name, name, hint.type, default, default is not NO_DEFAULT, changed=True))
        elif name in fields and fields[name].init:
            field = fields[name]
            default = NO_DEFAULT if field.default is dataclasses.MISSING else field.default
            optional = default is not NO_DEFAULT or field.default_factory is not dataclasses.MISSING
            members.append(Member(name, name, hint, default, optional))
    return Made(members, class_)


def _attrs(class_: Any, hints: dict[str, Any]) -> Made:
    members = []
    for field in class_.__attrs_attrs__:
        if not field.init:
            continue
        has_factory = hasattr(field.default, "factory")
        optional = has_factory or repr(field.default) != "NOTHING"
        default = field.default if optional and not has_factory else NO_DEFAULT
        hint, converts = hints.get(field.name, Any), field.converter is not None
        members.append(Member(field.alias, field.name, hint, default, optional, changed=converts))
    return Made(members, class_)


def _struct(class_: Any, hints: dict[str, Any]) -> Made:
    members = []
    for field in msgspec.structs.fields(class_):
        hint = hints.get(field.name, field.type)
        default = NO_DEFAULT if field.default is msgspec.NODEFAULT else field.default
        members.append(Member(field.name, field.encode_name, hint, default, optional=not field.required))
    old = class_.__struct_config__
    config = {
        "tag": old.tag,
        "tag_field": old.tag_field,
        "array_like": old.array_like,
        "forbid_unknown_fields": old.forbid_unknown_fields,
    }
    return Made(members, class_, {key: value for key, value in config.items() if value})


def _typed_dict(class_: Any, hints: dict[str, Any]) -> Made:
    members = []
    for name, hint in hints.items():
        hint, said = _unwrapped(hint, [])
        # __required_keys__ knows nothing of annotations that are strings, and calls them required
        optional = "NotRequired" in said or (name not in class_.__required_keys__ and "Required" not in said)
        members.append(Member(name, name, hint, optional=optional))
    return Made(members, dict)


def _unwrapped(hint: Any, said: list[str]) -> tuple[Any, list[str]]:
    """The type without `Required` and the like, which may stand inside `Annotated` too, and those words."""
    word = getattr(get_origin(hint), "_name", "")
    if word in _WRAPPERS:
        return _unwrapped(get_args(hint)[0], [*said, word])
    if get_origin(hint) is Annotated:
        inner, said = _unwrapped(get_args(hint)[0], said)
        return Annotated[(inner, *get_args(hint)[1:])], said
    return hint, said


def _named_tuple(class_: Any, hints: dict[str, Any]) -> Made:
    defaults = class_._field_defaults
    members = [
        Member(name, name, hints.get(name, Any), defaults.get(name, NO_DEFAULT), name in defaults)
        for name in class_._fields
    ]
    return Made(members, class_, {"array_like": True, "forbid_unknown_fields": True})


def _with_field(member: Member) -> Member:
    """The member with what pydantic's `Field` says of it, as its default or in its annotation."""
    if is_field(member.default):
        member.hint = Annotated[member.hint, member.default]
        member.default, member.optional, member.changed = NO_DEFAULT, False, True
    metadata = get_args(member.hint)[1:] if get_origin(member.hint) is Annotated else ()
    field = notes_of(metadata).field
    if field is not None:
        member.key = key_of(field) or member.key
        for default in default_of(field) if member.default is NO_DEFAULT else ():
            member.default, member.optional, member.changed = default(), True, True
            member.fresh = default if field.default_factory is not None else None
    return member


def _substituted(type_: Any, class_: Any, hints: dict[str, Any]) -> dict[str, Any]:
    """The hints of a generic class with its type variables replaced by the arguments."""
    arguments = dict(zip(getattr(class_, "__parameters__", ()), get_args(type_), strict=False))
    return {name: _replaced(hint, arguments) for name, hint in hints.items()} if arguments else hints


def _replaced(hint: Any, arguments: Mapping[Any, Any]) -> Any:
    if isinstance(hint, typing.TypeVar):
        return arguments.get(hint, hint)
    inner = getattr(hint, "__parameters__", ())
    return hint[tuple(arguments.get(one, one) for one in inner)] if inner and not isinstance(hint, type) else hint


def as_member(parameter: Any, hint: Any) -> Member:
    """A parameter of a function as a member."""
    optional = parameter.default is not parameter.empty
    default = parameter.default if optional else NO_DEFAULT
    return _with_field(Member(parameter.name, parameter.name, hint, default, optional))


def struct_of(name: str, members: list[tuple[Member, Any]], **settings: Any) -> type[msgspec.Struct]:
    """A Struct of the members, each with the type that msgspec reads; its `member_names` are theirs, in order.

    A member that is absent and has no default is `UNSET` in it.
    """
    fields = [(f"f{place}", *_typed(member, type_)) for place, (member, type_) in enumerate(members)]
    rename = {f"f{place}": member.key for place, (member, _) in enumerate(members)}
    names = tuple(member.name for member, _ in members)
    return msgspec.defstruct(name, fields, kw_only=True, rename=rename, namespace={"member_names": names}, **settings)


def values_of(struct: Any) -> dict[str, Any]:
    """The values of such a Struct by the names of the members, without those that are absent."""
    values = zip(struct.member_names, msgspec.structs.astuple(struct), strict=True)
    return {name: value for name, value in values if value is not msgspec.UNSET}


def _typed(member: Member, type_: Any) -> tuple[Any, Any]:
    """The type and msgspec's field of a member."""
    if not member.optional:
        return type_, msgspec.field()
    default = member.default
    if default is NO_DEFAULT:
        return type_, msgspec.field(default_factory=_unset)
    shown, is_mutable = _as_json(default), isinstance(default, (list, dict, set))
    if member.fresh is not None and _as_json(member.fresh()) != shown:
        return type_, msgspec.field(default_factory=member.fresh)  # the time, a new id
    if shown and not is_mutable and not hasattr(default, "model_dump"):
        return type_, msgspec.field(default=default)
    if shown and shown[0] not in ([], {}):
        type_ = Annotated[type_, msgspec.Meta(extra_json_schema={"default": shown[0]})]
    fresh = member.fresh or functools.partial(copy.copy if is_mutable else _itself, default)
    return type_, msgspec.field(default_factory=fresh)


def _as_json(value: Any) -> list[Any]:
    """The value as JSON has it, as a list of one; empty if JSON has no form for it."""
    try:
        return [msgspec.to_builtins(value, str_keys=True, enc_hook=_dumped)]
    except (TypeError, ValueError, RecursionError):
        return []


def _dumped(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if isinstance(value, type) or not callable(dump):
        raise TypeError(type(value).__name__)
    return dump(mode="json")


def _unset() -> Any:
    return msgspec.UNSET


def _itself(value: Any) -> Any:
    return value
