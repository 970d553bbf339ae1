"""Stream one answer from each of the nine providers through the real client; the replay server stands in for them.
Then one through a router whose first target fails in the middle: another goes on with the answer.

No key and no network: constructed captures of each provider's own format are served on a loopback socket.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import anyio

from miiflow_llm import LLMClient, Router
from miiflow_llm.core import ChatResponse
from miiflow_llm.replay.fake import FakeError, fake_pair
from miiflow_llm.replay.server import ReplayServer
from miiflow_llm.replay.store import load_folder

CAPTURES = Path(__file__).parent.parent / "fixtures" / "sse_captures"
ANSWERS = {
    "openai": "text",
    "anthropic": "reasoning",
    "gemini": "tool_call",
    "groq": "reasoning",
    "xai": "two_tools",
    "togetherai": "text",
    "openrouter": "reasoning",
    "mistral": "multibyte",
    "ollama": "tool_call",
}
SALT = (
    "Rain takes a little salt out of the rocks, and rivers carry it down to the sea. There the water leaves again by "
    "the air, and the salt stays: year after year there is a little more of it."
)
PACE = 0.012
"""Seconds between two frames, so that the eye can follow."""


async def stream_one(server: ReplayServer, provider: str, name: str, model: str) -> list[str]:
    """Stream one capture, printing it as it comes; the row of the table."""
    print(f"\n{provider} ({model})\n  ", end="")
    chunks, thinking = 0, False
    base_url = server.url_for(provider, name)
    async with (
        LLMClient.create(provider, model=model, base_url=base_url, api_key="no-key-needed") as client,
        client.stream_chat("Tell me something about the sea.") as stream,
    ):
        async for chunk in stream:
            chunks += 1
            if bool(chunk.reasoning_delta) != thinking and (chunk.delta or chunk.reasoning_delta):
                thinking = not thinking
                print("(thinks) " if thinking else "\n  ", end="")
            print(chunk.reasoning_delta or chunk.delta, end="", flush=True)
        response = stream.response
        dialect = client.plan("x", stream=True).dialect
    for call in response.tool_calls:
        print(f"\n  -> {call.name}({call.arguments})", end="")
    print()
    return row(provider, dialect, chunks, response)


def row(provider: str, dialect: str, chunks: int, response: ChatResponse) -> list[str]:
    """One line of the table."""
    first = response.time_to_first_token_ms
    return [
        provider,
        dialect,
        str(chunks),
        f"{len(response.content)} chars",
        f"{len(response.message.reasoning)} chars",
        ", ".join(call.name for call in response.tool_calls) or "-",
        str(response.finish_reason),
        str(response.usage.total_tokens if response.usage.total_tokens is not None else "-"),
        f"{first:.1f}" if first is not None else "-",
    ]


def print_table(rows: list[list[str]]) -> None:
    """The rows under their heads, each column as wide as its widest cell."""
    heads = ["provider", "dialect", "chunks", "text", "reasoning", "tool calls", "finish", "tokens", "first token ms"]
    widths = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]
    print()
    for line in (heads, ["-" * width for width in widths], *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


async def main() -> None:
    """Nine streams, one table, and one answer of two providers."""
    captures = load_folder(CAPTURES)
    models = {(capture.provider, capture.name): capture.model for capture in captures}
    started = time.perf_counter()
    async with ReplayServer(captures, cut="frames", pace=PACE) as server:
        rows = [await stream_one(server, provider, name, models[provider, name]) for provider, name in ANSWERS.items()]
    print_table(rows)
    await failing_over()
    print(f"\n{len(rows)} providers, one API, {time.perf_counter() - started:.1f} s, no key and no network used.")


async def failing_over() -> None:
    """One answer of two providers: the first breaks off in the middle, and the reader sees it go on."""
    broken = FakeError("the server is overloaded", status=503, midstream=True)
    first = fake_pair("openai_chat", text=SALT[: len(SALT) // 2], error=broken)
    print("\na router, after_output='continue': openai breaks off in the middle, mistral goes on\n  ", end="")
    async with (
        ReplayServer(first, cut="frames", pace=PACE, match=("streaming",)) as one,
        ReplayServer(fake_pair("mistral_chat", text=SALT), cut="frames", pace=PACE, match=("streaming",)) as other,
        LLMClient.create("openai", "gpt-6-sol", "no-key-needed", base_url=f"{one.url}/v1") as openai,
        LLMClient.create("mistral", "mistral-small-latest", "no-key-needed", base_url=f"{other.url}/v1") as mistral,
    ):
        router = Router([openai, mistral], policy="order")
        async with router.stream_chat("Why is the sea salty?", after_output="continue") as stream:
            async for chunk in stream:
                print(chunk.delta, end="", flush=True)
    for attempt in stream.response.attempts:
        print(f"\n  -> {attempt.target}: {attempt.why}, {attempt.outcome} {attempt.reason or ''}".rstrip(), end="")
    print(f"\n  each character once: {stream.response.content == SALT}")


async def live() -> None:
    """One answer of a real small model on this machine, in each format that its server speaks."""
    from tests.live.server import LiveServer

    with tempfile.TemporaryDirectory() as folder:
        server = LiveServer(log=Path(folder) / "server.log")
        try:
            for dialect in ("openai_chat", "openai_responses", "anthropic_messages"):
                print(f"\n{dialect}\n  ", end="")
                async with (
                    LLMClient.create(
                        "openai-compatible", model="smollm2", base_url=server.api, dialect=dialect
                    ) as client,
                    client.stream_chat("Why is the sea salty?", max_tokens=40, temperature=0) as stream,
                ):
                    async for chunk in stream:
                        print(chunk.delta, end="", flush=True)
                facts = stream.response
                print(f"\n  [{facts.finish_reason}, {facts.usage.total_tokens} tokens, {facts.latency_ms:.0f} ms]")
        finally:
            server.stop()


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--live"]
    if "--live" in sys.argv:
        sys.path.insert(0, str(CAPTURES.parents[1]))
    anyio.run(live if "--live" in sys.argv else main, backend=arguments[0] if arguments else "asyncio")
