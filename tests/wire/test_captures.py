"""Every capture of our own, read sans-I/O and through the client over a socket: the same chunks, the ones on file."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.http.transport import TransportName
from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.cuts import Cut
from miiflow_llm.replay.server import ReplayServer

from ..captured import Outcome, arguments, facts, line, own, read, sample, shown

STREAMS = [capture for capture in own() if capture.streaming]
WHOLE = [capture for capture in own() if not capture.streaming]
SAMPLE = sample(STREAMS, 40)


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


_KINDS = {"cache_write_1h_tokens", "audio_prompt_tokens", "audio_completion_tokens", "web_searches"}
"""Counts that captures report as 0 and that stand in few expectations."""


def expected(written: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The expectation in the form of `facts`; of a failed answer only what came before the failure."""
    out = {key: value for key, value in written.items() if key in ("outcome", "error", "text", "reasoning", "refusal")}
    if "text" not in found:
        return {key: value for key, value in out.items() if key in ("outcome", "error")}
    if written.get("outcome") == "finished":
        out["finish_reason"] = written.get("finish_reason")
        out["usage"] = {**dict.fromkeys(_KINDS & found.get("usage", {}).keys(), 0), **written.get("usage", {})}
        out["tool_calls"] = [(call["name"], arguments(call["arguments"])) for call in written.get("tool_calls", [])]
    return {key: value for key, value in out.items() if value is not None}


@pytest.mark.anyio
@pytest.mark.parametrize("capture", STREAMS, ids=name)
async def test_socket(capture: Capture) -> None:
    """Through the client and a socket come the engine's chunks: sent whole, frame by frame, and in odd pieces."""
    await over_a_socket(capture, ("whole", "frames", "random"), "auto")


@pytest.mark.anyio
@pytest.mark.parametrize("transport", ["lean", "httpx"])
@pytest.mark.parametrize("capture", SAMPLE, ids=name)
async def test_socket_in_small_pieces(capture: Capture, transport: TransportName) -> None:
    """They are the same in pieces of seven bytes, on both transports."""
    await over_a_socket(capture, ("frames", 7), transport)


@pytest.mark.anyio
@pytest.mark.parametrize("capture", WHOLE, ids=name)
async def test_whole_answer(capture: Capture) -> None:
    """`chat()` gives what the engine reads in a whole body, or raises the same error."""
    wanted = read(capture)
    async with ReplayServer([capture], cut="random", seed=seed_of(capture)) as server:
        async with client_of(capture, server) as client:
            found = await outcome_of_chat(client)
    assert type(found.error) is type(wanted.error)
    assert str(found.error) == str(wanted.error)
    assert facts(found) == facts(wanted)
    if found.response is not None and wanted.response is not None:
        assert found.response.message == wanted.response.message
        assert found.response.raw == capture.body


async def outcome_of_chat(client: LLMClient) -> Outcome:
    """The response of a whole answer, or its error."""
    try:
        return Outcome([], await client.chat("Hello"), None)
    except MiiflowLLMError as raised:
        return Outcome([], None, raised)


async def over_a_socket(capture: Capture, ways: tuple[Cut, ...], transport: TransportName) -> None:
    """Stream the capture from a replay server, cut in each of `ways`, and compare with the sans-I/O reading."""
    wanted = read(capture)
    async with ReplayServer([capture], seed=seed_of(capture)) as server:
        async with client_of(capture, server, transport=transport) as client:
            for server.cut in ways:
                found = await stream(client)
                assert [line(chunk) for chunk in found.chunks] == [line(chunk) for chunk in wanted.chunks], server.cut
                assert type(found.error) is type(wanted.error)
                assert facts(found) == facts(wanted)
        assert len(server.requests) == len(ways)


def seed_of(capture: Capture) -> int:
    """Of odd pieces: the same in every run, another for each capture."""
    return zlib.crc32(capture.key.encode())


def client_of(capture: Capture, server: ReplayServer, *, transport: TransportName = "auto") -> LLMClient:
    """A client that is served the capture."""
    return LLMClient.create(
        capture.provider,
        model=capture.model,
        api_key="k",
        base_url=server.url_for(capture.provider, capture.name),
        dialect=capture.dialect,
        max_retries=0,
        transport=transport,
    )


async def stream(client: LLMClient) -> Outcome:
    """The capture's chunks through the client."""
    chunks, error = [], None
    streamed = client.stream_chat("Hello")
    try:
        async with streamed:
            async for chunk in streamed:
                chunks.append(chunk)
    except MiiflowLLMError as raised:
        error = raised
    return Outcome(chunks, streamed.response if error is None else None, error)
