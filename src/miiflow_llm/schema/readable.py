"""Turn the types of users into types that msgspec reads, with a `StandIn` for each part of which msgspec
would lose words, limits, defaults or checks, or which it refuses.
"""

from __future__ import annotations

import functools
import operator
import sys
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from .annotations import Notes, notes_of
from .members import Made, Member, made_of
from .pydantic_types import is_pydantic, is_pydantics_own
from .stand_ins import Built, Foreign, OneOf, StandIn, is_stand_in


def readable(type_: Any) -> Any:
    """The type as msgspec reads it; the type itself if nothing has to change."""
    try:
        hash(type_)
    except TypeError:
        return _part(type_)
    changed = _known(type_, str(type_))
    return type_ if changed is None else changed


@functools.lru_cache(maxsize=512)
def _known(type_: Any, text: str) -> Any:
    """The type as msgspec reads it, `None` if that is the type; `text` tells `int | str` from `str | int`."""
    found = _part(type_)
    return None if found is type_ else found


def _part(hint: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _annotated(hint, args[0], notes_of(args[1:]))
    if _is_union(hint):
        return _union(hint, args)
    if origin is typing.Literal:
        return hint
    if origin is None:
        return _plain(hint)
    if _is_dirty(hint):
        return _built(hint)
    return _rebuilt(hint, args)


def _annotated(hint: Any, inner: Any, notes: Notes) -> Any:
    if notes.foreign:
        return notes.on(_foreign(hint), all_of_it=False)
    if _is_union(inner) and is_stand_in(_part(inner), Foreign):
        return notes.on(_foreign(hint if notes.field else inner))
    read = _part(inner)
    if read is inner and notes.is_plain:
        return hint
    found = notes.on(read)
    if (notes.field is not None or "pydantic" in sys.modules) and not notes.is_plain and not _is_read(found):
        return notes.on(_foreign(hint), all_of_it=False)  # a limit of decimals or dates
    return found


def _union(hint: Any, args: tuple[Any, ...]) -> Any:
    options = [one for one in args if one is not types.NoneType]
    parts = tuple(map(_part, args))
    if _has_models(options) and len(options) > 1:
        return _foreign(hint) if _pydantic_reads(hint, parts) else _stand_in(OneOf, hint, options=parts)
    joined = functools.reduce(operator.or_, parts) if any(map(operator.is_not, parts, args)) else hint
    if len(options) > 1 and not _is_read(joined):
        return _stand_in(OneOf, hint, options=parts)
    return joined


def _pydantic_reads(hint: Any, parts: tuple[Any, ...]) -> bool:
    """Whether pydantic takes all of a union and loses nothing: it knows no Structs, and no words but its own."""
    return not any(is_stand_in(part, Built) for part in parts) and not any(
        isinstance(one, type) and issubclass(one, msgspec.Struct) for one in _parts(hint)
    )


def _plain(hint: Any) -> Any:
    """A class, or a name for a type."""
    if not isinstance(hint, type):
        named = getattr(hint, "__supertype__", getattr(hint, "__value__", None))
        found = _part(named) if named is not None else named
        return hint if found is named else found
    if is_pydantic(hint):
        return hint
    if is_pydantics_own(hint):
        return _foreign(hint)
    return _built(hint) if _is_dirty(hint) else hint


def _rebuilt(hint: Any, args: tuple[Any, ...]) -> Any:
    """A generic with each of its arguments as msgspec reads it."""
    parts = tuple(one if isinstance(one, list) else _part(one) for one in args)
    if all(map(operator.is_, parts, args)):
        return hint
    return get_origin(hint)[parts]


def _is_union(type_: Any) -> bool:
    return get_origin(type_) in (Union, types.UnionType)


def _has_models(options: list[Any]) -> bool:
    bare = [get_args(one)[0] if get_origin(one) is Annotated else one for one in options]
    return any(is_pydantic(one) or is_pydantics_own(one) for one in bare)


def _is_read(type_: Any) -> bool:
    """Whether msgspec takes the type."""
    try:
        msgspec.json.Decoder(type_)
    except (TypeError, NameError):
        return False
    return True


def _stand_in(kind: type[StandIn], hint: Any, **values: Any) -> Any:
    name = getattr(hint, "__name__", None) or "Union"
    return types.new_class(name, (kind,), exec_body=lambda body: body.update(hint=hint, **values))


def _foreign(hint: Any) -> Any:
    return _stand_in(Foreign, hint)


@functools.lru_cache(maxsize=512)
def _built(hint: Any) -> Any:
    return _stand_in(Built, hint, made=made_of(hint), readable=staticmethod(readable))


@functools.lru_cache(maxsize=512)
def _is_dirty(hint: Any) -> bool:
    """Whether msgspec would read the class, or one that can be reached through its members, otherwise than is meant."""
    seen, waiting = set(), [hint]
    while waiting:
        made = _made(one := waiting.pop())
        if one in seen or made is None:
            continue
        seen.add(one)
        if made.checks or any(map(_is_special, made.members)):
            return True
        waiting += [inner for member in made.members for inner in _classes(member.hint)]
    return False


def _made(hint: Any) -> Made | None:
    if is_pydantic(hint) or is_pydantics_own(hint):
        return None
    try:
        return made_of(hint)
    except (NameError, TypeError):
        return None  # msgspec says what is wrong with it


def _is_special(member: Member) -> bool:
    """Whether msgspec would lose something of the member itself, whatever its classes are."""
    if member.changed or hasattr(member.default, "model_dump") or isinstance(member.default, type):
        return True
    return any(map(_loses, _parts(member.hint)))


def _loses(hint: Any) -> bool:
    """Whether msgspec would lose something of this part of an annotation, without those inside it."""
    if get_origin(hint) is Annotated:
        return not notes_of(get_args(hint)[1:]).is_plain
    if _is_union(hint):
        options = [one for one in get_args(hint) if one is not types.NoneType]
        return len(options) > 1 and (_has_models(options) or not _is_read(hint))
    return is_pydantics_own(hint)


def _parts(hint: Any) -> Iterator[Any]:
    """The annotation and all the parts it is made of."""
    yield hint
    if get_origin(hint) is typing.Literal:
        return
    inner = get_args(hint)[:1] if get_origin(hint) is Annotated else get_args(hint)
    named = getattr(hint, "__supertype__", None)
    for one in (*inner, *([named] if named is not None else ())):
        if not isinstance(one, list):
            yield from _parts(one)


def _classes(hint: Any) -> list[Any]:
    return [one for one in _parts(hint) if isinstance(get_origin(one) or one, type)]
