"""An answer that is not of the type asked for: the error has the answer and how it came about."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from miiflow_llm import LLMClient, SyncLLMClient
from miiflow_llm.core.exceptions import ParsingError
from miiflow_llm.replay.fake import fake_pair
from miiflow_llm.replay.server import ReplayServer, serving

SERVED = fake_pair("openai_chat", text="It is salty.")


class Sea(msgspec.Struct):
    """A sea."""

    name: str


def complete(error: ParsingError) -> None:
    """Everything that is known of the call stands in it."""
    assert [attempt.status for attempt in error.attempts] == [200]
    assert error.partial is not None
    assert error.partial.content == "It is salty."
    assert error.partial.usage.total_tokens
    assert (error.provider, error.text) == ("openai", "It is salty.")


def said(server: ReplayServer) -> dict[str, Any]:
    """What a client is made with."""
    return {"base_url": server.url_for("openai"), "api_key": "k" * 12, "dialect": "openai_chat"}


@pytest.mark.anyio
@pytest.mark.parametrize("streams", [False, True])
async def test_asynchronous(streams: bool) -> None:
    """Whole and streamed."""
    async with ReplayServer(SERVED) as server, LLMClient.create("openai", "m", **said(server)) as client:
        with pytest.raises(ParsingError) as caught:
            if streams:
                [chunk async for chunk in client.stream_with_schema("Why?", Sea)]
            else:
                await client.chat("Why?", schema=Sea)
    complete(caught.value)


@pytest.mark.parametrize("streams", [False, True])
def test_synchronous(streams: bool) -> None:
    """The same without an event loop."""
    with serving(SERVED) as server, SyncLLMClient.create("openai", "m", **said(server)) as client:
        with pytest.raises(ParsingError) as caught:
            if streams:
                list(client.stream_with_schema("Why?", Sea))
            else:
                client.chat("Why?", schema=Sea)
    complete(caught.value)
