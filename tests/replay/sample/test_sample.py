"""A project that tests its own code with recorded streams; it is run by `test_pytest_plugin`, not collected there."""

from __future__ import annotations

import json
import os

import anyio
import httpx
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core import StreamChunk
from miiflow_llm.replay import Cassette

PROMPT = os.environ.get("SAMPLE_PROMPT", "When is high water?")


async def ask(transport: httpx.AsyncBaseTransport, prompt: str = PROMPT, **parameters: object) -> list[StreamChunk]:
    """The code under test: it streams an answer."""
    async with httpx.AsyncClient(transport=transport) as http:
        client = LLMClient.create(
            "openai", "m-1", api_key="key-1029384756", base_url=os.environ["SAMPLE_URL"], http_client=http
        )
        async with client.stream_chat(prompt, **parameters) as stream:  # type: ignore[arg-type]
            return [chunk async for chunk in stream]


@pytest.mark.anyio
@pytest.mark.replay("recorded/tides", provider="openai")
async def test_tides(replay: httpx.AsyncBaseTransport, chunk_snapshot: object) -> None:
    """The answer is read, and its chunks are as they were."""
    chunks = await ask(replay)
    assert "".join(chunk.delta or "" for chunk in chunks) == "Twice a day."
    assert chunks == chunk_snapshot


@pytest.mark.anyio
@pytest.mark.virtual_time
@pytest.mark.replay("recorded/tides", provider="openai")
async def test_another_of_the_same_folder(replay: Cassette) -> None:
    """Tests may share a folder; replayed in virtual time, an answer takes as long as it did."""
    began = anyio.current_time()
    await ask(replay, "When is low water?")
    assert (began == 0.0) == (replay.recorded is None)  # a provider does not hurry: while it records, time is real
    if replay.recorded is None:
        metas = [json.loads(path.read_text()) for path in replay.folder.rglob("*.meta.json")]
        took = next(meta for meta in metas if "low" in meta["request"]["messages"][0]["content"])
        assert anyio.current_time() == pytest.approx((took["head_ms"] + took["reads"][-1][0]) / 1000)


@pytest.mark.anyio
@pytest.mark.replay("recorded/tides", provider="openai")
async def test_in_real_time(replay: httpx.AsyncBaseTransport) -> None:
    """The same answer, at full speed."""
    assert await ask(replay)


@pytest.mark.anyio
@pytest.mark.replay(provider="openai")
async def test_in_a_folder_of_its_own(replay: httpx.AsyncBaseTransport) -> None:
    """Without a path the captures lie in a folder named after the test."""
    assert await ask(replay, max_tokens=5)


@pytest.mark.anyio
@pytest.mark.replay("recorded/tides", cut="bytes")
async def test_the_server(replay_server: object) -> None:
    """The captures are on a socket too."""
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{replay_server.url_for('openai')}/chat/completions", json={})  # type: ignore[attr-defined]
    assert answer.json()["error"]["nearest"].startswith("openai/m-1-stream-")


@pytest.mark.anyio
@pytest.mark.replay("recorded/tides")
async def test_no_network(replay: httpx.AsyncBaseTransport) -> None:
    """While it replays, nothing else reaches another machine either."""
    if "SAMPLE_OFFLINE" in os.environ:
        async with httpx.AsyncClient() as http:
            await http.get("http://example.com")
