"""Small things that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio

from miiflow_llm import LLMClient
from miiflow_llm.core.timeout import Timeout

from .wires import OPENAI_CHAT, STREAM_MODEL, Wire

KEY = "sk-test-0123456789abcdef"

SHORT = Timeout(connect=0.3, pool=0.15, write=0.3, first_output=0.15, idle=0.15)
"""Limits that a fault runs into quickly; a wait for the head takes at most their sum."""

LONG = Timeout(connect=5, pool=5, write=5, first_output=5, idle=5)
"""Limits that no healthy answer of a loopback server runs into."""


def client_at(url: str, transport: str = "auto", wire: Wire = OPENAI_CHAT, **options: Any) -> LLMClient:
    """A client of the wire's provider at `url`."""
    options = {"api_key": KEY, "timeout": LONG, "transport": transport, **options}
    return LLMClient.create(wire.provider, STREAM_MODEL, base_url=url, **options)


async def until(holds: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until `holds`, which must happen; what it waits for happens in another thread or task."""
    with anyio.fail_after(seconds):
        while not holds():  # noqa: ASYNC110  what it waits for happens elsewhere, and nobody tells
            await anyio.sleep(0.002)
