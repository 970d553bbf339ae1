"""What a hit costs with the caches of others, on the same server and the same answer: litellm's, LangChain's.

Only where they are installed; `scripts/_bench/caching.py` prints the rows beside ours.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

Ask = Callable[[str], Awaitable[object]]


def rivals(url: str, folder: Path) -> Iterator[tuple[str, Ask, Ask]]:
    """Each cache by its name: a call by itself, and a call before which the cache stands."""
    if importlib.util.find_spec("litellm"):
        yield from _litellm(url)
    if importlib.util.find_spec("langchain_openai"):
        yield from _langchain(url, folder)


def _litellm(url: str) -> Iterator[tuple[str, Ask, Ask]]:
    import litellm

    def asking(*, caching: bool) -> Ask:
        async def ask(prompt: str) -> object:
            said: Any = {"model": "openai/m", "messages": [{"role": "user", "content": prompt}]}
            return await litellm.acompletion(**said, api_base=url, api_key="k" * 20, caching=caching)

        return ask

    litellm.cache = litellm.Cache(type="local")
    yield "litellm, memory", asking(caching=False), asking(caching=True)


def _langchain(url: str, folder: Path) -> Iterator[tuple[str, Ask, Ask]]:
    from langchain_core.caches import InMemoryCache
    from langchain_openai import ChatOpenAI

    def asking(cache: Any) -> Ask:
        model: Any = ChatOpenAI(model="m", base_url=url, api_key="k" * 20, cache=cache)
        ask: Ask = model.ainvoke
        return ask

    yield "LangChain, memory", asking(False), asking(InMemoryCache())
    if importlib.util.find_spec("langchain_community"):
        from langchain_community.cache import SQLiteCache

        yield "LangChain, SQLite", asking(False), asking(SQLiteCache(str(folder / "langchain.db")))
