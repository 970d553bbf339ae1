"""Every feature of a request, as a caller asks for it, and every wire it is asked on: for snapshots and oracles."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Any

import msgspec

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.core.messages import (
    AudioBlock,
    DocumentBlock,
    ImageBlock,
    Message,
    ReasoningBlock,
    TextBlock,
    ToolCall,
)
from miiflow_llm.providers import builtin_names, get
from miiflow_llm.schema.tools import Tool, tool

from .asking import PDF, PNG

LISTED: dict[str, tuple[str, str, str]] = {
    "openai chat": ("openai", "openai_chat", "gpt-4.1"),
    "openai chat reasoning": ("openai", "openai_chat", "gpt-6-luna"),
    "openai responses": ("openai", "openai_responses", "gpt-6-luna"),
    "anthropic": ("anthropic", "anthropic_messages", "claude-haiku-5-5"),
    "anthropic budget": ("anthropic", "anthropic_messages", "claude-haiku-4-5"),
    "gemini": ("gemini", "gemini_generate", "gemini-3.8-flash"),
    "gemini budget": ("gemini", "gemini_generate", "gemini-2.5-flash"),
    "mistral": ("mistral", "mistral_chat", "mistral-medium-latest"),
    "cohere": ("cohere", "cohere_v2", "command-a-reasoning-08-2025"),
    "ollama": ("ollama", "ollama_chat", "gpt-oss:20b"),
    "ollama openai": ("ollama", "openai_chat", "qwen3-vl:8b"),
    "groq": ("groq", "openai_chat", "openai/gpt-oss-120b"),
    "deepseek": ("deepseek", "openai_chat", "deepseek-flash"),
    "deepseek responses": ("deepseek", "openai_responses", "deepseek-flash"),
    "openrouter": ("openrouter", "openai_chat", "anthropic/claude-opus-5"),
    "openrouter responses": ("openrouter", "openai_responses", "openai/gpt-6-astra"),
    "togetherai": ("togetherai", "openai_chat", "zai-org/GLM-5.2"),
    "xai": ("xai", "openai_chat", "grok-4.3"),
    "xai responses": ("xai", "openai_responses", "grok-4.3"),
    "azure": ("azure", "openai_chat", "gpt-6-luna"),
    "azure responses": ("azure", "openai_responses", "gpt-6-luna"),
    "ai21": ("ai21", "openai_chat", "jamba-mini"),
    "bedrock": ("bedrock", "bedrock_converse", "us.anthropic.claude-haiku-4-5-20251001-v1:0"),
    "bedrock nova": ("bedrock", "bedrock_converse", "us.amazon.nova-2-lite-v1:0"),
    "bedrock gpt-oss": ("bedrock", "bedrock_converse", "openai.gpt-oss-120b-1:0"),
    "compatible": ("openai-compatible", "openai_chat", "local"),
    "compatible responses": ("openai-compatible", "openai_responses", "local"),
    "compatible messages": ("openai-compatible", "anthropic_messages", "local"),
}
"""Provider, dialect and model of each wire; more than one model where families are written differently."""


def others() -> dict[str, tuple[str, str, str]]:
    """The wires that are not listed: each dialect of each other provider, asked with its own example."""
    listed = {(provider, dialect) for provider, dialect, _ in LISTED.values()}
    found = {}
    for provider in map(get, builtin_names()):
        for name in (option.dialect.name for option in provider.options):
            if (provider.name, name) not in listed:
                found[f"{provider.name} {name}"] = (provider.name, name, provider.example_model)
    return found


WIRES = {**LISTED, **others()}
"""Every wire; a new provider needs no line here."""


@tool(strict=True)
def get_tide(port: str, day: date | None = None) -> str:
    """The times of the tide.

    Args:
        port: The port's name.
        day: Today, if not given.
    """
    return f"{port} {day}"


class Mood(Enum):
    """How it is."""

    CALM = "calm"
    ROUGH = "rough"


@dataclass
class Sea:
    """A look at the sea."""

    mood: Mood
    height: float | None = None
    birds: list[str] = field(default_factory=list)


CALL = ToolCall("call_1", "get_tide", '{"port":"Oban"}')
BARE = Tool("now")


def turns(*results: Message) -> list[Message]:
    """A conversation with a call and what came of it."""
    return [Message.user("When is high water?"), Message.assistant("Let me see.", tool_calls=[CALL]), *results]


def thought(wire: str) -> list[Message]:
    """A conversation whose answer was thought about, by this very model."""
    provider, dialect, model = WIRES[wire]
    block = ReasoningBlock("Low at six.", signature="c2ln", id="rs_1", origin=f"{provider}/{dialect}/{model}")
    said = Message("assistant", "Six.", parts=[block, TextBlock("Six.")])
    return [Message.user("When is low water?"), said, Message.user("Thanks.")]


def asked(messages: Any = "Hi", **parameters: Any) -> tuple[Any, dict[str, Any]]:
    """The messages and parameters of a call."""
    return messages, parameters


def features(wire: str) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Each feature's call."""
    return {
        "text": asked(
            [Message.system("Be brief."), Message.user("Hi"), Message.assistant("Yes?"), Message.user("Go.")]
        ),
        "max_tokens, temperature": asked(max_tokens=2000, temperature=0.5),
        "top_p": asked(top_p=0.9),
        "top_k": asked(top_k=40),
        "stop": asked(stop=["END"]),
        "seed": asked(seed=7),
        "penalties": asked(presence_penalty=0.1, frequency_penalty=0.2),
        "logprobs": asked(logprobs=True, top_logprobs=2),
        "user": asked(user="u1"),
        "service_tier": asked(service_tier="auto"),
        "metadata": asked(metadata={"trace": "t"}),
        "image": asked([Message.user([TextBlock("What?"), ImageBlock(PNG, "low")])]),
        "image by URL": asked([Message.user([ImageBlock("https://example.com/a.png")])]),
        "PDF": asked([Message.user([DocumentBlock(PDF, filename="tides.pdf")])]),
        "PDF by URL": asked([Message.user([DocumentBlock("https://example.com/a.pdf")])]),
        "text document": asked([Message.user([DocumentBlock.from_text("High at six.", filename="t.txt")])]),
        "audio": asked([Message.user([AudioBlock("UklGRg==")])]),
        "tools": asked(tools=[get_tide, BARE]),
        "tool_choice auto": asked(tools=[BARE], tool_choice="auto"),
        "tool_choice none": asked(tools=[BARE], tool_choice="none"),
        "tool_choice required": asked(tools=[BARE], tool_choice="required"),
        "tool_choice named": asked(tools=[get_tide, BARE], tool_choice="now"),
        "parallel_tool_calls": asked(tools=[BARE], parallel_tool_calls=False),
        "tool result": asked(turns(Message.tool("Six.", "call_1"))),
        "tool error": asked(turns(Message.tool("No such port.", "call_1", is_error=True))),
        "tool image": asked(turns(Message.tool([TextBlock("Look:"), ImageBlock(PNG)], "call_1"))),
        "reasoning high": asked(reasoning="high"),
        "reasoning off": asked(reasoning="off"),
        "reasoning budget": asked(reasoning=5000),
        "reasoning back": asked(thought(wire)),
        "verbosity": asked(verbosity="low"),
        "schema": asked(schema=Sea),
        "schema, tools": asked(schema=Sea, tools=[BARE]),
        "json_mode": asked(json_mode=True),
        "cache": asked([Message.system("Rules.", cache=True), Message.user("Hi", cache="1h")]),
    }


def body(wire: str, feature: str, *, stream: bool = False) -> dict[str, Any]:
    """The body that the feature's call sends on the wire, as JSON has it.

    Raises:
        MiiflowLLMError: the wire does not take it.
    """
    provider, dialect, model = WIRES[wire]
    client = LLMClient.create(provider, model, "k", dialect=dialect, base_url="http://127.0.0.1:9")
    messages, parameters = features(wire)[feature]
    found = msgspec.json.decode(msgspec.json.encode(client.plan(messages, stream=stream, **parameters).body))
    assert isinstance(found, dict)
    return found


def bodies(wire: str, *, stream: bool = False) -> dict[str, dict[str, Any] | MiiflowLLMError]:
    """Every feature's body on the wire, or the error that says why there is none."""
    out: dict[str, dict[str, Any] | MiiflowLLMError] = {}
    for feature in features(wire):
        try:
            out[feature] = body(wire, feature, stream=stream)
        except MiiflowLLMError as error:
            out[feature] = error
    return out
