"""The format as `openai-compatible` reads and writes it: the rows that `check` prints stand over its own."""

from __future__ import annotations

from functools import cache

from ...dialects.openai_chat import OPENAI_CHAT
from ...providers.openai_compatible import PROVIDER
from ...tables import as_spoken
from ...wire.engine import Engine


@cache
def engine(dialect: str = OPENAI_CHAT.name) -> Engine:
    """The engine of one of the formats that such servers speak."""
    option = next(option for option in PROVIDER.options if option.dialect.name == dialect)
    return Engine(as_spoken(PROVIDER, option), "server")


def others() -> list[str]:
    """The formats beside chat completions."""
    return [option.dialect.name for option in PROVIDER.also]
