"""Converters of `reasoning` from the caller's level or budget to the nearest that a model takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.exceptions import ConfigurationError, UnsupportedParameterError
from .spelling import spelt

OFF = "off"
LEVELS = ("minimal", "low", "medium", "high", "xhigh", "max")
BUDGETS = (512, 2048, 8192, 24576, 49152)
"""Budget thresholds, one per level: up to so many tokens a budget means that level, above the last it means `max`."""


def level(reasoning: str | int) -> str:
    """The level, or `off`, that the caller's word or budget in tokens means.

    Raises:
        ConfigurationError: it is not such a word.
    """
    if isinstance(reasoning, int):
        return LEVELS[sum(reasoning > most for most in BUDGETS)] if reasoning > 0 else OFF
    if reasoning not in (OFF, *LEVELS):
        raise ConfigurationError(
            f"reasoning={reasoning!r} is not taken; give {OFF}, {', '.join(LEVELS)}, or a budget in tokens"
        )
    return reasoning


@spelt
def effort(*levels: str, off: Any = None, numbers: bool = False, **words: Any) -> Callable[[str | int], Any]:
    """A converter to the nearest of `levels`; ties go up.

    `off` is the provider's word for no reasoning; without one the model always reasons, and asking it not to is an
    error. With `numbers` a budget in tokens stays a number. `words` are the provider's for a level, if they differ.
    """

    def nearest(reasoning: str | int) -> Any:
        wanted = level(reasoning)
        if numbers and isinstance(reasoning, int) and reasoning > 0:
            return reasoning
        if wanted == OFF:
            return off if off is not None else _always(levels)
        place = LEVELS.index(wanted)
        found = min(levels, key=lambda one: (abs(LEVELS.index(one) - place), -LEVELS.index(one)))
        return words.get(wanted) or words.get(found, found)

    return nearest


def _always(levels: tuple[str, ...]) -> Any:
    raise UnsupportedParameterError(
        f"reasoning={OFF!r} is not taken: this model always reasons; its lowest is {levels[0]!r}",
        parameter="reasoning",
    )


def always_on(reasoning: str | int) -> bool:
    """True, for models that cannot be asked not to reason.

    Raises:
        UnsupportedParameterError: they are.
    """
    if level(reasoning) == OFF:
        raise UnsupportedParameterError(
            f"reasoning={OFF!r} is not taken: this model always reasons; leave it out", parameter="reasoning"
        )
    return True


def tokens(reasoning: str | int) -> int:
    """The budget in tokens.

    Raises:
        ConfigurationError: it is neither a budget nor a known level.
    """
    level(reasoning)
    return int(reasoning)


def budget(reasoning: str | int) -> int | None:
    """The budget in tokens that a level stands for, `None` for none at all; levels above `medium` have no limit."""
    wanted = level(reasoning)
    if isinstance(reasoning, int):
        return max(reasoning, 0) or None
    return dict(zip(LEVELS[:3], BUDGETS, strict=False)).get(wanted)


def exact_budget(reasoning: str | int) -> int | None:
    """The budget in tokens that the caller gave as a number; `None` for a level, and for none at all."""
    level(reasoning)
    return reasoning if isinstance(reasoning, int) and reasoning > 0 else None


def is_on(reasoning: str | int) -> bool:
    """Whether the caller's word or budget asks for any reasoning."""
    return level(reasoning) != OFF
