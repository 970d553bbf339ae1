"""Converters that are made by a call remember it, so that a table can be printed as it was written."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R", bound=Callable[..., Any])

SPELLING = "__spelling__"
"""The attribute that holds name, arguments and keywords of the call."""


def spelt(factory: Callable[P, R]) -> Callable[P, R]:
    """A function that makes converters, each of which remembers how it was asked for."""

    @functools.wraps(factory)
    def made(*args: P.args, **kwargs: P.kwargs) -> R:
        converter = factory(*args, **kwargs)
        setattr(converter, SPELLING, (factory.__name__, args, kwargs))
        return converter

    return made
