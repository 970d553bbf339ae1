"""Models that follow a schema only by calling a tool: the call is the answer, streamed and whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from miiflow_llm import LLMClient, SyncLLMClient
from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.server import ReplayServer, serving


@dataclass
class Tide:
    """What the model is asked for."""

    port: str
    metres: float


def sse(*events: dict[str, Any]) -> bytes:
    """The events as a stream."""
    return b"".join(b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events)


USAGE = {"input_tokens": 9, "output_tokens": 7}
CALL = {"type": "tool_use", "id": "t", "name": "Tide", "input": {"port": "Fundy", "metres": 16.3}}
ANTHROPIC = (
    sse(
        {"type": "message_start", "message": {"id": "m", "model": "claude-3-5-haiku-latest", "usage": USAGE}},
        {"type": "content_block_start", "index": 0, "content_block": {**CALL, "input": {}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"port"'}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": ':"Fundy","metres":16.3}'},
        },
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    ),
    msgspec.json.encode(
        {"id": "m", "model": "claude-3-5-haiku-latest", "content": [CALL], "stop_reason": "tool_use", "usage": USAGE}
    ),
)
OPENAI = (
    sse(
        {
            "choices": [
                {"delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "Tide", "arguments": ""}}]}}
            ]
        },
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"port":"Fundy",'}}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": '"metres":16.3}'}}]}}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
    )
    + b"data: [DONE]\n\n",
    msgspec.json.encode(
        {
            "choices": [
                {
                    "message": {
                        "content": None,
                        "tool_calls": [
                            {"id": "c", "function": {"name": "Tide", "arguments": '{"port":"Fundy","metres":16.3}'}}
                        ],
                    },
                    "finish_reason": "stop",
                }
            ]
        }
    ),
)


def served(provider: str, dialect: str, bodies: tuple[bytes, bytes]) -> list[Capture]:
    """The answer streamed and whole."""
    path = "/v1/messages" if dialect == "anthropic_messages" else "/chat/completions"
    return [
        Capture(
            name=f"said_{streaming}",
            provider=provider,
            dialect=dialect,
            model="m",
            streaming=streaming,
            path=path,
            body=body,
        )
        for streaming, body in zip((True, False), bodies, strict=True)
    ]


WAYS = [
    ("anthropic", "claude-3-5-haiku-latest", served("anthropic", "anthropic_messages", ANTHROPIC)),
    ("openai", "gpt-3.5-turbo", served("openai", "openai_chat", OPENAI)),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("provider", "model", "captures"), WAYS, ids=["anthropic", "openai"])
async def test_the_call_is_the_answer(provider: str, model: str, captures: list[Capture]) -> None:
    """Its arguments are the text, grow chunk by chunk, and end as a value of the type: no call is left to be run."""
    async with ReplayServer(captures, match=("streaming",)) as server:
        async with LLMClient.create(provider, model, "k", base_url=server.url_for(provider)) as client:
            async with client.stream_with_schema("x", Tide) as stream:
                chunks = [chunk async for chunk in stream]
            whole = await client.chat("x", schema=Tide)
        assert server.requests[0].body["tool_choice"]
    for response in (stream.response, whole):
        assert response.structured_output == Tide("Fundy", 16.3)
        assert response.finish_reason == "stop"
        assert response.tool_calls == []
        assert msgspec.json.decode(response.content) == {"port": "Fundy", "metres": 16.3}
    assert {"port": "Fundy", "metres": 16.3} in [chunk.partial_parse for chunk in chunks]
    assert chunks[-1].structured_output == Tide("Fundy", 16.3)


def test_synchronously() -> None:
    """The synchronous client reads it alike."""
    provider, model, captures = WAYS[0]
    with serving(captures, match=("streaming",)) as server:
        with SyncLLMClient.create(provider, model, "k", base_url=server.url_for(provider)) as client:
            assert client.chat("x", schema=Tide).structured_output == Tide("Fundy", 16.3)
            assert list(client.stream_with_schema("x", Tide))[-1].structured_output == Tide("Fundy", 16.3)
