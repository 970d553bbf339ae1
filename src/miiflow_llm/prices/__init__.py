"""What calls cost before and after they are made, and how much may be spent."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .book import Prices
    from .budget import Budget, BudgetState

__all__ = ["Budget", "BudgetState", "Prices"]

_HOMES = {"Budget": "budget", "BudgetState": "budget", "Prices": "book"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
