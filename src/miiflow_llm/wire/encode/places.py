"""Where a block goes: the place of its type, by its message's role or a value of its own."""

from __future__ import annotations

from typing import Any

from ...tables.dialect import Dialect
from ...tables.request_words import Own, Place, PlaceBy


def place_of(dialect: Dialect, block: Any, role: str) -> Place:
    """The place of the block in a message of this role."""
    place = dialect.parts[type(block)]
    if isinstance(place, Place):
        return place
    value = role if place.name == "role" else getattr(block, place.name, None)
    return place.places.get(value) or place.places.get(...) or elsewhere(place)


def is_own(block: Any, own: Own, origin: str) -> bool:
    """Whether the block was made by who is asked (`origin`: `provider/dialect/model`), as far as `own` asks."""
    made = getattr(block, "origin", None) or ""
    house = "/".join(origin.split("/", 2)[:2])
    if own == "model":
        return made in (house, origin)
    return not own or made == house or made.startswith(f"{house}/")


def elsewhere(place: PlaceBy) -> Place:
    """The place of a block whose role or value the table does not name: it is refused."""
    legal = " or ".join(map(str, place.places))
    return Place("refused", reason=f"it is taken where the {place.name} is {legal} only")
