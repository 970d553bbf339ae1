"""What of a dialect's requests may be kept: the values on which each of their pieces depends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...core.request import ChatRequest
from ...tables.dialect import Dialect
from ...tables.request_words import Take, When, take
from ...tables.template import takes, words
from .kept import Kept

_LARGE = ("schema", "system_blocks", "tools")
"""Values of a request that take long to write, and are mostly the same."""

_OF_SHELL = frozenset(("content", "parts", "text"))
_OF_MESSAGE = _OF_SHELL | {"role", "name", "last", "model"}


def values_of(template: Any) -> list[str] | None:
    """The values of the request on which a part of the body depends; `None` if it is not worth keeping."""
    names = sorted({word.name.partition(".")[0] for word, _ in words(template)} - {"model"})
    if "messages" in names or not any(name in _LARGE for name in names):
        return None
    return [name for name in names if name in ChatRequest.__struct_fields__]


def kept_value(
    kept: Kept | None, place: int, make: Callable[[ChatRequest], Any], request: ChatRequest, of: tuple[Any, ...]
) -> Any:
    """What `make` makes of the request; what it made before, if the values `of` are the same."""
    large = request.tools is not None or request.schema is not None or request.system_blocks is not None
    return make(request) if kept is None or not large else kept.value(place, make, request, of)


def keeping(dialect: Dialect) -> dict[str, Any]:
    """How what the dialect's writer writes is kept: the fields of `Writer` that say so."""
    ambient = ambient_of(dialect.message)
    return {"keeps": ambient is not None, "ambient": ambient or (), **forms(dialect)}


def forms(dialect: Dialect) -> dict[str, Any]:
    """In what form messages are written: the fields of `Writer` that say so."""
    listed = [word for word, _ in words(dialect.body) if word.name.partition(".")[0] == "messages"]
    return {"whole": all(word == take("messages") for word in listed), "by_last": takes(dialect.message, "last")}


def ambient_of(message: Any) -> tuple[str, ...] | None:
    """The values of the request that are asked for in every message, each whether there is one.

    `None` if nothing of messages can be kept: they take such values whole, or convert what stands in them.
    """
    found = list(_outside(message))
    return None if None in found else tuple(sorted({name for name in found if name}))


def _outside(message: Any) -> Iterator[str | None]:
    for word, _ in words(message):
        name = word.name.partition(".")[0]
        converted = isinstance(word, Take) and (word.through or word.each or word.values) is not None
        if name in _OF_SHELL and converted:
            yield None
        elif name not in _OF_MESSAGE:
            yield name if isinstance(word, When) and name == word.name else None
