"""Services for the tests of `miiflow_llm.web` whose model answers by a script, one answer a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import msgspec

from miiflow_llm import LLMClient

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def says(text: str, finish: str = "stop") -> bytes:
    """An answer of words, streamed."""
    return _stream([{"content": text[:3]}, {"content": text[3:]}], finish)


def calls(name: str, arguments: str, id_: str = "call_1") -> bytes:
    """An answer that asks for a tool, streamed."""
    head = {"index": 0, "id": id_, "type": "function", "function": {"name": name, "arguments": ""}}
    pieces = [{"index": 0, "function": {"arguments": piece}} for piece in (arguments[:4], arguments[4:])]
    return _stream([{"tool_calls": [piece]} for piece in (head, *pieces)], "tool_calls")


def _stream(deltas: list[dict[str, Any]], finish: str) -> bytes:
    frames: list[Any] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    frames.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}], "usage": USAGE})
    return b"".join(b"data: " + msgspec.json.encode(frame) + b"\n\n" for frame in frames) + b"data: [DONE]\n\n"


def _whole(stream: bytes) -> bytes:
    """The same answer in one piece."""
    frames = [msgspec.json.decode(line[6:]) for line in stream.split(b"\n\n") if line.startswith(b"data: {")]
    deltas = [frame["choices"][0]["delta"] for frame in frames]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(each.get("content", "") for each in deltas)}
    pieces = [piece for delta in deltas for piece in delta.get("tool_calls", ())]
    if pieces:
        arguments = "".join(piece["function"]["arguments"] for piece in pieces)
        call = {**pieces[0], "function": {"name": pieces[0]["function"]["name"], "arguments": arguments}}
        message["tool_calls"] = [call]
    choice = {"index": 0, "message": message, "finish_reason": frames[-1]["choices"][0]["finish_reason"]}
    return msgspec.json.encode({"model": "m", "choices": [choice], "usage": USAGE})


class Talking:
    """A model that gives its answers in turn, the last one again and again; `asked` is what it was sent."""

    def __init__(self, *answers: bytes, model: str = "m") -> None:
        self.answers: Sequence[bytes] = answers
        self.asked: list[Any] = []
        transport = httpx.MockTransport(self._answer)
        self.client = LLMClient.create(
            "openai-compatible",
            model,
            base_url="http://here/v1",
            http_client=httpx.AsyncClient(transport=transport),
            max_retries=0,
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        body = msgspec.json.decode(request.content)
        self.asked.append(body)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if body.get("stream"):
            return httpx.Response(200, content=answer, headers={"content-type": "text/event-stream"})
        return httpx.Response(200, content=_whole(answer), headers={"content-type": "application/json"})
