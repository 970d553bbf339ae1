"""Type-checked, never run: what users write has the types that they would expect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_type

from httpx_sse import ServerSentEvent

from miiflow_llm import (
    ChatResponse,
    ClientPool,
    LLMClient,
    Message,
    ProviderStreamNormalizer,
    RetryBudget,
    StreamChunk,
    SyncClientPool,
    SyncLLMClient,
    Timeout,
    TokenCount,
    register,
)
from miiflow_llm.calls.streams import ChatStream
from miiflow_llm.client.chat import AnswerStream, Chat, SyncAnswerStream, SyncChat
from miiflow_llm.core import (
    DocumentBlock,
    Embeddings,
    ImageBlock,
    ModelInfo,
    OpaqueBlock,
    TextBlock,
    ToolCall,
    ToolFinished,
    ToolStarted,
)
from miiflow_llm.core.exceptions import ProviderError, RateLimitError, StreamInterruptedError
from miiflow_llm.dialects.openai_chat import OPENAI_CHAT
from miiflow_llm.schema.tools import Tool, tool
from miiflow_llm.tables import Provider, emit, take


@dataclass
class Analysis:
    """What an answer is made into."""

    mood: str


@tool
def get_tide(port: str, day: int = 0) -> str:
    """Times of the tide."""
    return f"{port} {day}"


async def asynchronous() -> None:
    """The asynchronous client."""
    async with LLMClient.create("openai", model="m", timeout=Timeout(idle=5), max_retries=1) as client:
        assert_type(client, LLMClient)
        response = await client.chat("x", temperature=0.2, stop=["a"], tools=[get_tide], tool_choice="auto")
        assert_type(response, ChatResponse[None])
        assert_type(response.structured_output, None)
        analysed = await client.chat("x", schema=Analysis, temperature=0.2)
        assert_type(analysed, ChatResponse[Analysis])
        assert_type(analysed.structured_output, Analysis)
        assert_type((await client.chat("x", schema=list[Analysis])).structured_output, list[Analysis])
        assert_type((await client.chat("x", schema={"type": "object"})).structured_output, Any)
        assert_type(response.usage, TokenCount)
        assert_type(response.message.tool_calls, list[ToolCall])
        async with client.stream_chat([Message.user("x")], max_tokens=5, timeout=3) as stream:
            async for chunk in stream:
                assert_type(chunk, StreamChunk)
                assert_type(chunk.delta, str)
        assert_type(stream.response, ChatResponse)
        async for chunk in client.stream_with_schema("x", Analysis, temperature=0.1):
            print(chunk.partial_parse)
        run = await client.run_tools("x", [get_tide, {"type": "web_search"}], max_rounds=3)
        assert_type(run.usage, TokenCount)
        assert_type(client.get_metrics().success_rate, float)
        assert_type(await client.count_tokens("x"), int)
        client.stream_chat("x", tools=[get_tide], tool_choice=get_tide, reasoning="high", verbosity="low")
        client.stream_chat("x", tools=[get_tide], tool_choice={"type": "function", "function": {"name": "get_tide"}})
        client.stream_chat("x", tools=[get_tide], tool_choice="sometimes")  # type: ignore[arg-type]
        client.stream_chat("x", reasoning="hihg")  # type: ignore[arg-type]
        client.chat("x", temprature=1)  # type: ignore[call-overload]


def synchronous() -> None:
    """The synchronous client, and what stands beside both."""
    answer = SyncLLMClient.create("anthropic", "m").chat("x", schema=Analysis)
    assert_type(answer.structured_output.mood, str)
    with SyncLLMClient.create("anthropic", "m") as client, client.stream_chat("x") as stream:
        for chunk in stream:
            assert_type(chunk, StreamChunk)
    assert_type(get_tide, Tool)
    assert_type(ProviderStreamNormalizer().normalize_chunk(b"{}", provider="openai"), StreamChunk | None)
    assert_type(ClientPool({}).get("openai", "m"), LLMClient)
    Message.user([TextBlock("x"), ImageBlock("https://x", "low"), DocumentBlock.from_text("y")], cache="1h")
    Message.user([OpaqueBlock.of({"type": "video_url"}, "openrouter/openai_chat")])
    Message.system("x", cache="1d")  # type: ignore[arg-type]
    register(
        Provider(
            name="p",
            dialect=OPENAI_CHAT,
            base_url="https://p",
            docs="https://p",
            body={"max_tokens": take("max_tokens")},
            events={"reasoning": emit("reasoning", "delta.thoughts")},
        )
    )


async def anything_to_chat_with(one: Chat, other: SyncChat) -> None:
    """What takes a client takes whatever has its face."""
    assert_type(await one.chat("x", temperature=0.1, timeout=3), ChatResponse)
    assert_type(one.stream_chat("x", max_tokens=3), AnswerStream)
    async with one, one.stream_chat("x") as stream:
        async for chunk in stream:
            assert_type(chunk, StreamChunk)
    assert_type(await one.count_tokens("x", timeout=1, tools=[get_tide]), int)
    assert_type(other.chat("x"), ChatResponse)
    async for event in one.stream_tools("x", [get_tide], approve=lambda call: call.name == "get_tide"):
        if isinstance(event, ToolStarted | ToolFinished):
            assert_type(event.call, ToolCall)
        else:
            assert_type(event, StreamChunk)
    assert_type((await one.run_tools("x", [get_tide], retries_on_parse=1)).messages, list[Message])
    assert_type(other.stream_with_schema("x", Analysis), SyncAnswerStream)


async def clients_have_the_face() -> None:
    """Both clients have it; what they stream keeps its own type."""
    client, blocking = LLMClient.create("openai", "m"), SyncLLMClient.create("openai", "m")
    await anything_to_chat_with(client, blocking)
    assert_type(client.stream_with_schema("x", Analysis), ChatStream)
    assert_type(await client.embed("x", timeout=2), Embeddings)
    assert_type(blocking.models(timeout=Timeout(total=2)), list[ModelInfo])
    assert_type(SyncClientPool({}).get(), SyncLLMClient)
    assert_type((await client.request("GET", "/files", params={"limit": 1})).status, int)
    async for raw in client.stream_events("POST", "/x", json={}):
        assert_type(raw, ServerSentEvent)
    for raw in blocking.stream_events("POST", "/x", json={}):
        assert_type(raw.data, str)
    LLMClient.create("openai", "m", retry_budget=RetryBudget(most=3))
    LLMClient.create("openai", "m", temperature=1)  # type: ignore[call-arg]
    client.request("GET", "/x", data={})  # type: ignore[call-arg, unused-coroutine]


def errors(error: Exception) -> None:
    """Errors carry what a handler needs."""
    if isinstance(error, RateLimitError):
        assert_type(error.retry_after, float | None)
    elif isinstance(error, ProviderError):
        assert_type(error.status_code, int | None)
    elif isinstance(error, StreamInterruptedError):
        assert_type(error.partial, ChatResponse | None)
