"""Every capture of our own, read sans-I/O and through the client over a socket: the same chunks, the ones on file."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.server import ReplayServer

from .captured import Outcome, arguments, facts, line, own, read, sample, shown

STREAMS = [capture for capture in own() if capture.streaming]
MATRIX = sample(STREAMS, 48)


def name(capture: Capture) -> str:
    """How a capture is called in a test's name."""
    return f"{capture.provider}-{capture.name}"


@pytest.mark.parametrize("capture", own(), ids=name)
def test_chunks(capture: Capture, one_file: Any) -> None:
    """The whole chunk sequence of a capture is the one on file."""
    assert shown(read(capture)) == one_file


@pytest.mark.parametrize("capture", own(), ids=name)
def test_expected(capture: Capture) -> None:
    """What a capture says is what its author wrote down beside it."""
    assert capture.expected is not None
    found = facts(read(capture))
    for key, value in expected(capture.expected, found).items():
        assert found.get(key) == value, key


def expected(written: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The expectation in the form of `facts`; of a failed answer only what came before the failure."""
    out = {key: value for key, value in written.items() if key in ("outcome", "error", "text", "reasoning", "refusal")}
    if "text" not in found:
        return {key: value for key, value in out.items() if key in ("outcome", "error")}
    if written.get("outcome") == "finished":
        out["finish_reason"] = written.get("finish_reason")
        out["usage"] = written.get("usage", {})
        out["tool_calls"] = [(call["name"], arguments(call["arguments"])) for call in written.get("tool_calls", [])]
    return {key: value for key, value in out.items() if value is not None}


@pytest.mark.anyio
@pytest.mark.parametrize("capture", STREAMS, ids=name)
async def test_socket(capture: Capture) -> None:
    """Through the client and a real socket come the chunks that the engine makes of the bytes."""
    await over_a_socket(capture, "frames", "auto")


@pytest.mark.anyio
@pytest.mark.parametrize("transport", ["lean", "httpx"])
@pytest.mark.parametrize("cut", ["whole", "random", 7])
@pytest.mark.parametrize("capture", MATRIX, ids=name)
async def test_socket_cuts(capture: Capture, cut: Any, transport: Any) -> None:
    """They are the same however the bytes are cut, on both transports."""
    await over_a_socket(capture, cut, transport)


async def over_a_socket(capture: Capture, cut: Any, transport: Any) -> None:
    """Stream the capture from a replay server and compare with the sans-I/O reading."""
    wanted = read(capture)
    seed = zlib.crc32(capture.key.encode())
    async with ReplayServer([capture], cut=cut, seed=seed) as server:
        found = await stream(server.url_for(capture.provider, capture.name), capture, transport)
        assert len(server.requests) == 1
    assert [line(chunk) for chunk in found.chunks] == [line(chunk) for chunk in wanted.chunks]
    assert type(found.error) is type(wanted.error)
    assert facts(found) == facts(wanted)


async def stream(base_url: str, capture: Capture, transport: Any) -> Outcome:
    """The capture's chunks through the client."""
    chunks, error = [], None
    client = LLMClient.create(
        capture.provider,
        model=capture.model,
        api_key="k",
        base_url=base_url,
        dialect=capture.dialect,
        max_retries=0,
        transport=transport,
    )
    async with client:
        streamed = client.stream_chat("Hello")
        try:
            async with streamed:
                async for chunk in streamed:
                    chunks.append(chunk)
        except MiiflowLLMError as raised:
            error = raised
        return Outcome(chunks, streamed.response if error is None else None, error)
