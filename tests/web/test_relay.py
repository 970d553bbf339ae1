"""A stream as frames: numbered, alive while silent, with exactly one last frame, closed when left."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
import msgspec
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core import exceptions as errors
from miiflow_llm.core.response import StreamChunk, ToolCallDelta
from miiflow_llm.web import Relay, to_ndjson, to_sse

from ..calls.driving import Script
from .servers import LAST, Scripted

pytestmark = pytest.mark.anyio
HELLO = [StreamChunk(delta="Hel"), StreamChunk(reasoning_delta="hm"), StreamChunk(delta="lo 🌊")]


def frames(data: bytes) -> list[dict[str, Any]]:
    """The JSON objects in SSE or NDJSON."""
    lines = [line.removeprefix(b"data: ") for line in data.split(b"\n")]
    return [msgspec.json.decode(line) for line in lines if line.startswith(b"{")]


async def iterated(relay: Relay) -> bytes:
    """All bytes of a relay, step by step."""
    return b"".join([piece async for piece in relay])


async def poured(relay: Relay) -> bytes:
    """All bytes that a relay writes."""
    pieces: list[bytes] = []

    async def write(data: bytes) -> None:
        pieces.append(data)

    await relay.pour(write)
    return b"".join(pieces)


Read = Callable[[Relay], Awaitable[bytes]]
both = pytest.mark.parametrize("read", [iterated, poured])


@both
@pytest.mark.parametrize("make", [to_sse, to_ndjson])
async def test_frames_hold_what_is_set(make: Callable[..., Relay], read: Read) -> None:
    """Each chunk is one numbered frame of what it says, and the last frame says how it ended."""
    call = StreamChunk(tool_call_deltas=[ToolCallDelta(0, "a", "f", "{}")])
    assert frames(await read(make(Scripted([*HELLO, call, LAST])))) == [
        {"seq": 0, "delta": "Hel"},
        {"seq": 1, "reasoning_delta": "hm"},
        {"seq": 2, "delta": "lo 🌊"},
        {"seq": 3, "tool_call_deltas": [{"index": 0, "id": "a", "name": "f", "arguments": "{}"}]},
        {
            "type": "finished",
            "seq": 4,
            "finish_reason": "stop",
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        },
    ]


@both
@pytest.mark.parametrize("make", [to_sse, to_ndjson])
async def test_a_conversation_with_tools(make: Callable[..., Relay], read: Read) -> None:
    """Each call and its result is a frame between those of the answers; the last frame counts all answers."""

    def tide(port: str) -> str:
        return f"high at {port}"

    def broken() -> str:
        raise ValueError("secret host")

    calls = {"text": "Looking.", "tool_calls": [("tide", {"port": "Oban"}), ("broken", {})]}
    script = Script("openai_chat", [calls, {"text": "Done."}], streaming=True)
    async with httpx.AsyncClient(transport=httpx.MockTransport(script)) as http:
        client = LLMClient.create("openai", "m", "k", http_client=http)
        found = frames(await read(make(client.stream_tools("go", [tide, broken]))))
    assert [frame["seq"] for frame in found] == list(range(len(found)))
    kinds = [frame["type"] for frame in found if "type" in frame]
    assert kinds == ["tool_started"] * 2 + ["tool_finished"] * 2 + ["finished"]
    started = next(frame for frame in found if frame.get("type") == "tool_started")
    assert (started["round"], started["call"]["name"]) == (1, "tide")
    results = {frame["name"]: frame for frame in found if frame.get("type") == "tool_finished"}
    assert results["tide"]["content"] == "high at Oban"
    assert results["broken"]["is_error"]
    assert "secret" not in str(found)
    assert found[-1]["rounds"] == 2
    assert found[-1]["usage"]["prompt_tokens"] == 16
    assert found[-1]["message"]["content"] == "Done."


@both
async def test_framing(read: Read) -> None:
    """SSE frames are `data:` and a blank line, NDJSON frames a line each."""
    assert (await read(to_sse(Scripted([HELLO[0], LAST])))).startswith(b'data: {"seq":0,"delta":"Hel"}\n\ndata: {')
    assert (await read(to_ndjson(Scripted([HELLO[0], LAST])))).startswith(b'{"seq":0,"delta":"Hel"}\n{')


@both
async def test_heartbeats_do_not_break_the_read(read: Read) -> None:
    """Silence brings heartbeats, and the chunk that was waited for still comes."""
    data = await read(to_sse(Scripted([HELLO[0], 0.2, HELLO[2], LAST]), heartbeat=0.05))
    assert data.count(b": heartbeat\n\n") >= 2
    assert [frame.get("delta") for frame in frames(data)] == ["Hel", "lo 🌊", None]


@both
@pytest.mark.virtual_time
async def test_heartbeats_in_virtual_time(read: Read) -> None:
    """A model that thinks for a minute and a half brings its heartbeats at once where time is virtual."""
    data = await read(to_sse(Scripted([HELLO[0], 91.0, HELLO[2], LAST]), heartbeat=15))
    assert data.count(b": heartbeat\n\n") == 6


@both
@pytest.mark.parametrize("steps", [[*HELLO], [*HELLO, errors.StreamInterruptedError("cut")]], ids=["ends", "raises"])
async def test_a_cut_answer_is_never_finished(steps: list[Any], read: Read) -> None:
    """Without a finish reason the one last frame is an error."""
    found = frames(await read(to_ndjson(Scripted(steps))))
    assert [frame["seq"] for frame in found] == [0, 1, 2, 3]
    assert found[-1]["type"] == "error"
    assert found[-1]["error"]["type"] == "interrupted"


@both
async def test_an_error_says_nothing_of_the_account(read: Read) -> None:
    """What the provider wrote stays here; its hint when to come back goes out."""
    error = errors.RateLimitError("org-1 sk-secret over", provider="openai", retry_after=2.5, body=b"sk-secret")
    data = await read(to_sse(Scripted([HELLO[0], error])))
    assert b"org-1" not in data
    assert b"secret" not in data
    last = frames(data)[-1]["error"]
    assert (last["type"], last["retry_after"]) == ("rate_limited", 2.5)


async def test_closing_closes_the_stream() -> None:
    """Closing in the midst of a read leaves nothing reading."""
    stream = Scripted([HELLO[0], 60.0, LAST])
    relay = to_sse(stream, heartbeat=0.01)
    await relay.__anext__()
    assert await relay.__anext__() == b": heartbeat\n\n"
    await relay.aclose()
    assert stream.closed
    with pytest.raises(StopAsyncIteration):
        await relay.__anext__()


@both
async def test_cancelling_closes_the_stream(read: Read) -> None:
    """A step that is cancelled, as by a framework whose browser left, lets the stream go."""
    stream = Scripted([HELLO[0], 60.0, LAST])
    relay = to_sse(stream)
    with anyio.move_on_after(0.05):
        await read(relay)
    await anyio.sleep(0.05)
    assert stream.closed


@pytest.mark.slow
async def test_dropping_closes_the_stream() -> None:
    """A relay that nobody holds any more lets the stream go."""
    stream = Scripted([HELLO[0], 60.0, LAST])
    relay = to_sse(stream, heartbeat=0.01)
    await relay.__anext__()
    del relay
    gc.collect()
    await anyio.sleep(0.05)
    assert stream.closed


async def test_a_slow_browser_holds_the_model_back() -> None:
    """No more than a bounded number of chunks is read ahead of the browser."""
    stream = Scripted([StreamChunk(delta="x")] * 2000 + [LAST])
    relay = to_ndjson(stream)
    first = await relay.__anext__()
    assert first.count(b"\n") <= 256
    assert len(frames(first + await iterated(relay))) == 2001


class Held(Scripted):
    """Counts what was taken of it."""

    taken = 0

    async def __anext__(self) -> StreamChunk:
        chunk = await super().__anext__()
        self.taken += 1
        return chunk


async def test_pouring_waits_for_the_browser() -> None:
    """While a write waits nothing more is read of the model, and no heartbeat is written across it."""
    stream = Held([*HELLO, LAST])
    written: list[bytes] = []
    gate = anyio.Event()

    async def write(data: bytes) -> None:
        written.append(data)
        await gate.wait()

    async with anyio.create_task_group() as group:
        group.start_soon(to_sse(stream, heartbeat=0.02).pour, write)
        await anyio.sleep(0.1)
        assert (stream.taken, len(written)) == (1, 1)
        gate.set()
    assert stream.closed
    assert len(frames(b"".join(written))) == 4


async def test_what_is_ready_is_written_at_once() -> None:
    """Chunks that one read of the network brought are one piece of bytes, also those before a failure."""

    class Burst(Scripted):
        ready = 3

        async def __anext__(self) -> StreamChunk:
            self.ready -= 1
            return await super().__anext__()

    written: list[bytes] = []

    async def write(data: bytes) -> None:
        written.append(data)

    await to_ndjson(Burst([*HELLO, errors.TimeoutError("late", phase="total")])).pour(write)
    await to_ndjson(Burst([*HELLO[:2], errors.TimeoutError("late", phase="total")])).pour(write)
    assert [piece.count(b"\n") for piece in written] == [3, 1, 2, 1]
    assert [frame.get("type") for frame in frames(b"".join(written))] == [None] * 3 + ["error"] + [None] * 2 + ["error"]


@pytest.mark.parametrize("beating", [False, True])
async def test_a_browser_that_is_gone_is_left(beating: bool) -> None:
    """An `OSError` of the write ends it quietly, whatever was being written."""
    stream = Scripted([0.1, *HELLO, LAST] if beating else [*HELLO, LAST])
    calls = 0

    async def write(data: bytes) -> None:
        nonlocal calls
        calls += 1
        raise ConnectionResetError

    await to_sse(stream, heartbeat=0.02 if beating else None).pour(write)
    assert (stream.closed, calls) == (True, 1)


@both
async def test_the_value_so_far(read: Read) -> None:
    """With a schema the frames tell what grew in the value, and the last one the whole message and value."""
    steps = [
        StreamChunk(delta='{"a":"x', partial_parse={"a": "x"}),
        StreamChunk(delta='y"}', finish_reason="stop", structured_output={"a": "xy"}, partial_parse={"a": "xy"}),
    ]
    found = frames(await read(to_ndjson(Scripted(steps))))
    assert found[0]["partial_parse_deltas"] == [{"at": [], "set": {"a": "x"}}]
    assert found[-1]["structured_output"] == {"a": "xy"}


async def test_heartbeat_must_be_above_zero() -> None:
    """A heartbeat of no time is refused."""
    with pytest.raises(errors.ConfigurationError, match="heartbeat"):
        to_sse(Scripted([]), heartbeat=0)
