"""Streaming and not streaming agree: what a whole answer says, its stream says, to the last field of the response."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core.messages import OpaqueBlock, ToolCall
from miiflow_llm.core.response import ChatResponse
from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.server import ReplayServer

from ..as_stream import streamed
from ..captured import arguments, engine_of, own, read, read_stream, shared
from ..wire.test_captures import name

WHOLE = [one for one in own() if not one.streaming and one.status < 400 and read(one).error is None]
SAME = ("usage", "finish_reason", "raw_finish_reason", "provider", "model", "id", "logprobs", "citations")
"""What must be equal beside the message; `raw`, timings and attempts need not."""


def comparable(response: ChatResponse) -> dict[str, Any]:
    """All of a response that both ways give; JSON in it may be spelt differently."""
    message = response.message
    return {
        **{field: getattr(response, field) for field in SAME},
        "text": message.text,
        "reasoning": message.reasoning,
        "refusal": message.refusal,
        "calls": [_plain(call) for call in message.tool_calls],
        "parts": [_plain(part) for part in message.parts or () if not isinstance(part, OpaqueBlock)],
        # where an opaque part stands among the others depends on when the provider sends it
        "opaque": sorted(repr(_plain(part)) for part in message.parts or () if isinstance(part, OpaqueBlock)),
    }


def _plain(block: Any) -> Any:
    if isinstance(block, OpaqueBlock):
        return msgspec.json.decode(block.payload), block.origin
    if isinstance(block, ToolCall) and not block.custom:
        return msgspec.structs.replace(block, arguments=""), arguments(block.arguments), block.arguments == ""
    return block


def as_stream(capture: Capture) -> Capture:
    """The whole answer's capture as that of a stream."""
    body = streamed(capture.dialect, msgspec.json.decode(capture.body))
    return msgspec.structs.replace(capture, name=f"{capture.name}_streamed", streaming=True, body=body, headers={})


@pytest.mark.parametrize("capture", WHOLE, ids=name)
def test_sans_io(capture: Capture) -> None:
    """A whole answer and the stream of it make one response."""
    agree(capture)


@pytest.mark.skipif(not shared(), reason="the shared captures are not here")
@pytest.mark.parametrize("part", range(20))
def test_recorded(part: int) -> None:
    """So do those that real providers sent."""
    recorded = [one for one in shared() if not one.streaming and one.status < 400]
    for capture in recorded[part::20]:
        if read(capture).error is None:
            agree(capture)


def agree(capture: Capture) -> None:
    """Read the answer both ways."""
    whole, stream = read(capture), as_stream(capture)
    found = read_stream(engine_of(capture), stream, [stream.body])
    assert found.error is None, capture.key
    assert whole.response is not None
    assert found.response is not None
    assert comparable(found.response) == comparable(whole.response), capture.key


@pytest.mark.anyio
@pytest.mark.parametrize("capture", WHOLE, ids=name)
async def test_through_the_client(capture: Capture) -> None:
    """`stream.response` is what `chat()` gives, and the chunks add up to both."""
    stream = as_stream(capture)
    async with ReplayServer([capture, stream], match=("streaming",)) as server:
        client = LLMClient.create(
            capture.provider,
            capture.model,
            "k",
            base_url=server.url_for(capture.provider),
            dialect=capture.dialect,
            max_retries=0,
        )
        async with client:
            response = await client.chat("Hello")
            async with client.stream_chat("Hello") as streaming:
                chunks = [chunk async for chunk in streaming]
    assert comparable(streaming.response) == comparable(response)
    assert "".join(chunk.delta for chunk in chunks) == response.content == chunks[-1].content
    assert "".join(chunk.reasoning_delta for chunk in chunks) == response.message.reasoning == chunks[-1].reasoning
    assert chunks[-1].usage == response.usage
    assert [said_by_deltas(chunks, place) for place in range(len(response.tool_calls))] == [
        (call.id, call.name, arguments(call.arguments)) for call in response.tool_calls
    ]


def said_by_deltas(chunks: list[Any], place: int) -> tuple[str, str, Any]:
    """A call as its pieces say it."""
    pieces = [delta for chunk in chunks for delta in chunk.tool_call_deltas if delta.index == place]
    return pieces[0].id, pieces[0].name, arguments("".join(piece.arguments for piece in pieces))
