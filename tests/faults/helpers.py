"""Small things that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio

from miiflow_llm import LLMClient, SyncLLMClient
from miiflow_llm.core.timeout import Timeout

from .wire import STREAM_MODEL, Wire
from .wires import OPENAI_CHAT

KEY = "sk-test-0123456789abcdef"

SHORT = Timeout(connect=2, pool=2, write=2, first_output=0.2, idle=0.2)
"""Limits that a silent answer runs into quickly."""

SUMMED = Timeout(connect=1, pool=0.2, write=0.2, first_output=0.2)
"""Limits with a small sum, which a head takes at most."""

LONG = Timeout(connect=30, pool=30, write=30, first_output=30, idle=30)
"""Limits that no healthy answer of a loopback server runs into."""


def client_at(url: str, transport: str = "auto", wire: Wire = OPENAI_CHAT, **options: Any) -> LLMClient:
    """A client of the wire's provider at `url`."""
    options = {"api_key": KEY, "timeout": LONG, "transport": transport, "dialect": wire.name, **options}
    return LLMClient.create(wire.provider, STREAM_MODEL, base_url=url, **options)


def sync_client_at(url: str, wire: Wire = OPENAI_CHAT, **options: Any) -> SyncLLMClient:
    """The same without an event loop."""
    options = {"api_key": KEY, "timeout": LONG, "dialect": wire.name, **options}
    return SyncLLMClient.create(wire.provider, STREAM_MODEL, base_url=url, **options)


async def until(holds: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until `holds`, which must happen; what it waits for happens in another thread or task."""
    with anyio.fail_after(seconds):
        while not holds():  # noqa: ASYNC110  what it waits for happens elsewhere, and nobody tells
            await anyio.sleep(0.002)
