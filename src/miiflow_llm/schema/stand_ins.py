"""Classes that stand, before msgspec, for types that it cannot read as their makers meant them.

msgspec knows them as custom types: it asks a hook for their schema and for a value of each. There are three kinds: a
type that pydantic reads, a class of the caller's that is made by its own constructor, a union of what msgspec takes one
of at most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from ..core.exceptions import MiiflowLLMError
from . import pydantic_types
from .members import Made, struct_of, values_of


class _Anything(type):
    def __instancecheck__(cls, instance: object) -> bool:
        """msgspec asks of what its hook gives, which has been checked."""
        return True


class StandIn(metaclass=_Anything):
    """The base of the classes that stand for a type: `hint`."""

    hint: ClassVar[Any]


class Foreign(StandIn):
    """A type that pydantic reads."""


class Built(StandIn):
    """A class of the caller's, made by its own constructor of what a Struct with its fields reads."""

    made: ClassVar[Made]
    readable: ClassVar[Callable[[Any], Any]]
    _struct: ClassVar[type[msgspec.Struct] | None] = None

    @classmethod
    def struct(cls) -> type[msgspec.Struct]:
        """The Struct; made when it is first needed, as a class may refer to itself."""
        if "_struct" not in cls.__dict__:
            members = [(member, cls.readable(member.hint)) for member in cls.made.members]
            origin = getattr(cls.hint, "__origin__", cls.hint)
            cls._struct = struct_of(cls.__name__, members, module=origin.__module__, **cls.made.config)
            cls._struct.__doc__ = _doc(origin)
        return cls.__dict__["_struct"]  # type: ignore[no-any-return]

    @classmethod
    def read(cls, value: Any) -> Any:
        """The value as one of the class.

        Raises:
            ValueError: it does not fit, or its own class refuses it.
        """
        values = values_of(converted(value, cls.struct()))
        try:
            return cls.made.make(**values)
        except MiiflowLLMError:
            raise
        except Exception as reason:  # whatever the caller's own class raises means that the value does not fit
            raise ValueError(words_of(reason)) from None


class OneOf(StandIn):
    """A union of `options`, of which msgspec takes one at most: several dataclasses, several TypedDicts."""

    options: ClassVar[tuple[Any, ...]]

    @classmethod
    def read(cls, value: Any) -> Any:
        """The value as the option that fits and knows most of its keys; of those that know as many, the first.

        Raises:
            ValueError: none fits.
        """
        reasons: list[tuple[int, str]] = []
        found: list[tuple[int, Any]] = []
        for option in cls.options:
            unknown = _unknown(value, option)
            try:
                found.append((unknown, converted(value, option)))
            except ValueError as reason:
                reasons.append((unknown, str(reason)))
        if found:
            return min(found, key=lambda one: one[0])[1]
        raise ValueError(min(reasons, key=lambda one: one[0])[1])


def _unknown(value: Any, option: Any) -> int:
    """How many keys of a value an option does not know; a dict knows all."""
    if not isinstance(value, dict):
        return 0
    if is_stand_in(option, Built):
        return len(value.keys() - {member.key for member in option.made.members})
    for mark in ("__struct_encode_fields__", "__dataclass_fields__", "__required_keys__", "model_fields"):
        if hasattr(option, mark):
            return len(value.keys() - {*getattr(option, mark), *getattr(option, "__optional_keys__", ())})
    return 0


def is_foreign(type_: Any) -> bool:
    """Whether pydantic reads the type: a model, or what stands for another type of its own."""
    return pydantic_types.is_pydantic(type_) or is_stand_in(type_, Foreign)


def is_stand_in(type_: Any, kind: type[StandIn] = StandIn) -> bool:
    """Whether the type is a class that stands for another."""
    return isinstance(type_, type) and issubclass(type_, kind)


def pydantics(type_: Any) -> Any:
    """The type that pydantic is to read."""
    return type_.hint if is_stand_in(type_) else type_


def converted(value: Any, type_: Any) -> Any:
    """A part of a JSON document as a value of a type that msgspec reads.

    Raises:
        ValueError: it is not of the type; the words end in the path, as msgspec's do.
    """
    try:
        return msgspec.convert(value, type_, str_keys=True, dec_hook=read_value)
    except msgspec.ValidationError as reason:
        raise ValueError(str(reason)) from None


def read_value(type_: Any, value: Any) -> Any:
    """A part of a JSON document as a value of a model, or of what a class stands for: msgspec's `dec_hook`.

    Raises:
        ValueError: it is not of the type; the words end in the path, as msgspec's do.
    """
    if is_stand_in(type_, Built) or is_stand_in(type_, OneOf):
        return type_.read(value)
    if not is_foreign(type_):
        raise NotImplementedError(f"{type_!r}")
    try:
        return pydantic_types.read(pydantics(type_), msgspec.json.encode(value))
    except ValueError as reason:
        words, path = pydantic_types.first_error(reason, value)
        raise ValueError(f"{words} - at `{path}`" if path != "$" else words) from None


def words_of(reason: Exception) -> str:
    """What an exception of the caller's own code says, in a line."""
    first = reason.args[0] if len(reason.args) > 1 and isinstance(reason.args[0], str) else str(reason)
    return first or type(reason).__name__


def _doc(class_: Any) -> str | None:
    """The docstring that its author wrote; dataclasses and NamedTuples without one have their signature there."""
    doc = class_.__doc__
    return None if doc and doc.startswith(f"{class_.__name__}(") else doc
