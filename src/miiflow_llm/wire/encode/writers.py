"""The writers of one dialect: the functions that write its requests, by the model's name."""

from __future__ import annotations

import msgspec

from ...core import forks
from ...tables.dialect import Dialect
from .compile import compiled
from .conversation import Writer
from .kept import Kept
from .of_model import of_model

MOST_MODELS = 64
"""So many names of models are remembered; a name comes from the caller, and may be anything."""


class Writers:
    """Compiled when a model first needs them, and shared by all models that make the same choices.

    What they have written is kept for each model apart.

    `name` shows in tracebacks.
    """

    def __init__(self, dialect: Dialect, name: str) -> None:
        self.dialect = dialect
        self.name = name
        self._of_model: dict[str, Writer] = {}
        self._of_choices: dict[tuple[str | None, ...], Writer] = {}
        self._lock = forks.lock()

    def of(self, model: str) -> Writer:
        """The writer for a model."""
        found = self._of_model.get(model)
        return self._new(model) if found is None else found

    def _new(self, model: str) -> Writer:
        dialect, choices = of_model(self.dialect, model)
        with self._lock:
            writer = self._of_choices.get(choices)
            if writer is None:
                writer = compiled(f"{self.name}: write {len(self._of_choices) + 1}", dialect)
                self._of_choices[choices] = writer
            if writer.keeps:
                writer = msgspec.structs.replace(writer, kept=Kept())
            if len(self._of_model) >= MOST_MODELS:
                self._of_model.clear()
            self._of_model[model] = writer
        return writer
