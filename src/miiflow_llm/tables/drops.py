"""What a model refuses: parameters, alone or beside others, each with the reason and what would work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Drop(msgspec.Struct, frozen=True):
    """Parameters that models matching `models` refuse, with the reason.

    `unless` are parameters and the values of them that lift it; with `beside` it holds only where that parameter is
    given too.
    """

    parameters: tuple[str, ...]
    reason: str
    models: str = ""
    unless: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    beside: str = ""


def drop(
    *parameters: str,
    reason: str,
    models: str = "",
    unless: tuple[str, Any] | Mapping[str, tuple[Any, ...]] | None = None,
    beside: str = "",
) -> Drop:
    """Parameters not taken (by models whose name matches the pattern `models`), and what would work.

    `unless` is one parameter and value that lift it, or several with their values.
    """
    if isinstance(unless, tuple):
        unless = {unless[0]: (unless[1],)}
    return Drop(parameters, reason, models, tuple((unless or {}).items()), beside)
