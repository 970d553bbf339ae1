"""The rivals: what to install for each, and the same function around it as around our own client.

Each is used as its documentation shows for many calls, with one client held where it has such a thing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clients import Seen, Stream, Target

PACKAGES = {
    "lm15": "lm15",
    "openai": "openai",
    "anthropic": "anthropic",
    "langchain_openai": "langchain-openai",
    "pydantic_ai": "pydantic-ai-slim[openai]",
    "any_llm": "any-llm-sdk[openai]",
    "litellm": "litellm",
}
"""What is installed for each, by its name here; the package that is imported has the same name but for any-llm's."""

MESSAGES: Any = [{"role": "user", "content": "x"}]


def lm15(target: Target) -> Stream:
    """lm15's asynchronous adapters."""
    from lm15 import Message, Request, StreamDeltaEvent, TextDelta
    from lm15.providers.async_base import AsyncAnthropicLM, AsyncOpenAIChatLM
    from lm15.transports import StdlibAsyncTransport

    adapter: Any = AsyncOpenAIChatLM if target.dialect == "chat" else AsyncAnthropicLM
    client = adapter(api_key="k", base_url=target.url, transport=StdlibAsyncTransport(max_connections=1000))
    request = Request(model="m", messages=(Message.user("x"),))

    async def stream(seen: Seen) -> None:
        async for event in client.stream(request):
            if isinstance(event, StreamDeltaEvent) and isinstance(event.delta, TextDelta):
                seen(event.delta.text)

    return stream


def openai(target: Target) -> Stream:
    """OpenAI's SDK."""
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key="k", base_url=target.url, max_retries=0)

    async def stream(seen: Seen) -> None:
        async for chunk in await client.chat.completions.create(model="m", messages=MESSAGES, stream=True):
            if chunk.choices and chunk.choices[0].delta.content:
                seen(chunk.choices[0].delta.content)

    return stream


def anthropic(target: Target) -> Stream:
    """Anthropic's SDK."""
    from anthropic import AsyncAnthropic

    client = AsyncAnthropic(api_key="k", base_url=target.url.removesuffix("/v1"), max_retries=0)

    async def stream(seen: Seen) -> None:
        async for event in await client.messages.create(model="m", max_tokens=9, messages=MESSAGES, stream=True):
            if event.type == "content_block_delta":
                seen(event.delta.text)

    return stream


def any_llm(target: Target) -> Stream:
    """any-llm, its provider object held."""
    from any_llm import AnyLLM

    client = AnyLLM.create("openai", api_key="k", api_base=target.url)

    async def stream(seen: Seen) -> None:
        answer: Any = await client.acompletion(model="m", messages=MESSAGES, stream=True)
        async for chunk in answer:
            if chunk.choices and chunk.choices[0].delta.content:
                seen(chunk.choices[0].delta.content)

    return stream


def litellm(target: Target) -> Stream:
    """litellm."""
    import litellm

    async def stream(seen: Seen) -> None:
        answer: Any = await litellm.acompletion(
            "openai/m", messages=MESSAGES, stream=True, api_base=target.url, api_key="k"
        )
        async for chunk in answer:
            if chunk.choices[0].delta.content:
                seen(chunk.choices[0].delta.content)

    return stream


def pydantic_ai(target: Target) -> Stream:
    """pydantic-ai's model layer, without an agent above it."""
    from pydantic_ai.direct import model_request_stream
    from pydantic_ai.messages import ModelRequest, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel("m", provider=OpenAIProvider(base_url=target.url, api_key="k"))

    async def stream(seen: Seen) -> None:
        async with model_request_stream(model, [ModelRequest.user_text_prompt("x")]) as events:
            async for event in events:
                if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                    seen(event.delta.content_delta)
                elif isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                    seen(event.part.content)

    return stream


def langchain_openai(target: Target) -> Stream:
    """langchain-openai."""
    from langchain_openai import ChatOpenAI

    model: Any = ChatOpenAI(model="m", base_url=target.url, api_key="k", max_retries=0)

    async def stream(seen: Seen) -> None:
        async for chunk in model.astream("x"):
            if chunk.content:
                seen(chunk.content)

    return stream


RIVALS: dict[str, Callable[[Target], Stream]] = {
    "lm15": lm15,
    "openai": openai,
    "anthropic": anthropic,
    "langchain_openai": langchain_openai,
    "pydantic_ai": pydantic_ai,
    "any_llm": any_llm,
    "litellm": litellm,
}
