"""Prices of one's own: a mapping, or a TOML file, from models to rates."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from ..core.exceptions import ConfigurationError
from ..core.legal_keys import check_keys
from ..core.price import Price


class OwnPrices:
    """Prices by model. A key is `provider/model`, `provider:model` or `model`, and may have `*` in it.

    A value is a `Price`, or a mapping with its fields, whose `tiers` are lists of `[from_tokens, rates]`.

    Raises:
        ConfigurationError: a price is not one; the message names it.
    """

    def __init__(self, table: Mapping[str, Any], where: str = "prices") -> None:
        named = {key: _price(value, f"{where}: {key}") for key, value in _flat(table, where)}
        self._exact = {key: price for key, price in named.items() if "*" not in key}
        self._patterns = [(key, price) for key, price in named.items() if "*" in key]

    @classmethod
    def read(cls, path: str | Path) -> OwnPrices:
        """The prices of a TOML file.

        Raises:
            ConfigurationError: it cannot be read, or a price is not one.
        """
        try:
            table = tomllib.loads(Path(path).expanduser().read_text(encoding="utf-8"))
        except OSError as reason:
            raise ConfigurationError(f"prices={str(path)!r} cannot be read: {reason.strerror or reason}") from None
        except tomllib.TOMLDecodeError as reason:
            raise ConfigurationError(f"prices={str(path)!r} is not TOML: {reason}") from None
        return cls(table, str(path))

    def price(self, provider: str, models: Iterable[str]) -> Price | None:
        """The price of the first of these names of a model that has one, exact keys before patterns."""
        keys = [key for model in models for key in (f"{provider}/{model}", f"{provider}:{model}", model)]
        for key in keys:
            if key in self._exact:
                return self._exact[key]
        return next((price for key in keys for pattern, price in self._patterns if fnmatchcase(key, pattern)), None)


def _flat(table: Mapping[str, Any], where: str) -> Iterable[tuple[str, Any]]:
    """The entries; `{"openai": {"gpt-5": {...}}}`, as TOML's dotted keys make it, is `openai/gpt-5`."""
    for key, value in table.items():
        if not isinstance(key, str):
            raise ConfigurationError(f"{where}: {key!r}: write a model's name, as 'openai/gpt-5'")
        inner_tables = value.values() if isinstance(value, Mapping) else ()
        if inner_tables and all(isinstance(inner, (Mapping, Price)) for inner in inner_tables):
            yield from ((f"{key}/{model}", inner) for model, inner in value.items())
        else:
            yield key, value


def _price(value: Any, where: str) -> Price:
    if isinstance(value, Price):
        return value
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where}: write the rates for a million tokens, as {{'input': 3.0, 'output': 15.0}}")
    check_keys(value, Price.__struct_fields__, where, "a price")
    try:
        price = msgspec.convert(dict(value), Price)
    except msgspec.ValidationError as reason:
        raise ConfigurationError(f"{where}: {reason}") from None
    for name in ("input", "output", "request"):
        if not 0 <= getattr(price, name) < float("inf"):
            raise ConfigurationError(f"{where}: {name} = {getattr(price, name)}: a rate is 0 or more")
    return price
