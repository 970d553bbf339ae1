"""A template as one model has it: its choices by model made, and what could only be left out gone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ...tables.dialect import Dialect
from ...tables.request_words import ByModel, Place, PlaceBy, Take, When
from ...tables.template import NOTHING, or_nothing


def of_model(dialect: Dialect, model: str) -> tuple[Dialect, tuple[str | None, ...]]:
    """The dialect with its choices by model made, and which they were: those of equal choices are equal."""
    choices = Choices(model, [])
    body, message = choices.of(dialect.body), choices.of(dialect.message)
    parts = {kind: choices.of_row(row) for kind, row in dialect.parts.items()}
    return msgspec.structs.replace(dialect, body=body, message=message, parts=parts), tuple(choices.made)


class Choices(msgspec.Struct):
    """The choices that a model's name makes in templates, as they are come upon.

    `made` are the patterns that matched, in order: models for which they are the same share what is made of them.
    """

    model: str
    made: list[str | None]

    def of_row(self, row: Place | PlaceBy) -> Place | PlaceBy:
        """The place, or every place that the row chooses from, with its template made."""
        if isinstance(row, PlaceBy):
            return PlaceBy(row.name, {value: self._place(place) for value, place in row.places.items()})
        return self._place(row)

    def _place(self, place: Place) -> Place:
        return msgspec.structs.replace(place, template=self.of(place.template))

    def of(self, template: Any) -> Any:
        """The template with no `ByModel` left in it; `NOTHING` if it could only be left out."""
        if isinstance(template, ByModel):
            return self._by_model(template)
        if isinstance(template, Take):
            return self._take(template)
        if isinstance(template, When):
            inner, otherwise = self.of(template.template), self.of(or_nothing(template.otherwise))
            return NOTHING if inner is otherwise is NOTHING else When(template.name, inner, otherwise)
        if isinstance(template, Mapping):
            fields = {key: made for key, inner in template.items() if (made := self.of(inner)) is not NOTHING}
            return fields if fields or not template else NOTHING
        if isinstance(template, list):
            items = [made for inner in template if (made := self.of(inner)) is not NOTHING]
            return items if items or not template else NOTHING
        return template

    def _by_model(self, template: ByModel) -> Any:
        pattern = next((one for one in template.templates if re.match(one, self.model)), None)
        self.made.append(pattern)
        return NOTHING if pattern is None else self.of(or_nothing(template.templates[pattern]))

    def _take(self, take: Take) -> Any:
        values = take.values
        if values is not None:
            values = {value: self.of(or_nothing(template)) for value, template in values.items()}
        each = None if take.each is None else self.of(take.each)
        default = None if take.default is None else self.of(take.default)
        return Take(take.name, take.through, values, each, default)
