"""Every way that a request takes: with an event loop and without, by our clients and a caller's own."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import anyio
import httpx

from miiflow_llm import LLMClient, SyncLLMClient
from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.core.response import ChatResponse
from miiflow_llm.http import trust

KEY = "sk-test-0123456789abcdef"


class Way(NamedTuple):
    """`loop` is `none` without one; `by` is `auto`, `lean`, `httpx` or `own` for a caller's own client."""

    loop: str
    by: str

    def __str__(self) -> str:
        return f"{self.loop}-{self.by}"


LOOPS = ("asyncio", "trio", "none")
WAYS = [Way(loop, by) for loop in LOOPS for by in ("lean", "httpx", "own")]
AUTO = [Way(loop, "auto") for loop in LOOPS]


def ask(
    way: Way,
    url: str,
    text: str = "Hi",
    *,
    verify: ssl.SSLContext | None = None,
    proxy: str | None = None,
    then: Callable[[], object] = lambda: None,
    **options: Any,
) -> ChatResponse | MiiflowLLMError:
    """Ask once; the answer or the typed error. `verify` and `proxy` are for a client of the caller's own."""
    options = {"api_key": KEY, "max_retries": 0, **options}
    if way.by != "own":
        options["transport"] = way.by
    settings: dict[str, Any] = {"verify": verify or True, "proxy": proxy, "trust_env": False}

    async def on_loop() -> ChatResponse | MiiflowLLMError:
        http = httpx.AsyncClient(**settings) if way.by == "own" else None
        async with LLMClient.create("openai", "m", base_url=url, http_client=http, **options) as client:
            try:
                return await client.chat(text)
            except MiiflowLLMError as raised:
                return raised
            finally:
                then()
                if http is not None:
                    await http.aclose()

    if way.loop != "none":
        return anyio.run(on_loop, backend=way.loop)
    http = httpx.Client(**settings) if way.by == "own" else None
    with SyncLLMClient.create("openai", "m", base_url=url, http_client=http, **options) as client:
        try:
            return client.chat(text)
        except MiiflowLLMError as raised:
            return raised
        finally:
            then()
            if http is not None:
                http.close()


@contextmanager
def trusting(context: ssl.SSLContext) -> Iterator[None]:
    """Have the clients made here trust what `context` trusts."""
    kept = dict(trust._contexts)
    trust._contexts.clear()
    context.set_alpn_protocols(["http/1.1"])
    trust._contexts[trust._said()] = context
    try:
        yield
    finally:
        trust._contexts.clear()
        trust._contexts.update(kept)
