"""Random conversations and parameters, from which each test draws what it writes."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from miiflow_llm.core.messages import (
    AudioBlock,
    Block,
    DocumentBlock,
    ImageBlock,
    Message,
    OpaqueBlock,
    ReasoningBlock,
    TextBlock,
    ToolCall,
    ToolResult,
)
from miiflow_llm.core.request import ChatRequest, HostedTool, OutputSchema, ToolSpec

from ...dialects.asking import PDF, PNG, SCHEMA, TIDE
from ...dialects.features import WIRES

MODELS = (
    *("claude-3-opus", "claude-opus-4-6", "claude-opus-5", "gemini-2.0-flash", "gemini-3-pro", "gemma-3", "gpt-4o"),
    *("gpt-6-luna", "magistral-small", "mistral-large-latest", "command-r", "anthropic.claude-opus-4-6", "other"),
)
"""Models of families that are written differently, beside each wire's own."""

words = st.sampled_from(["", "Hi", "six\n", "\u00e9\u4e16", '"quoted"', " ", "\U0001f30a"])
caches = st.sampled_from([False, False, False, True, "1h"])
ids = st.sampled_from(["call_1", "call_2", "tool|3", "x" * 70])
tool_names = st.sampled_from(["tide", "what.now", "9 lives"])


def origins(wire: str, model: str) -> st.SearchStrategy[str | None]:
    """Who may have made a block: nobody, this model here, another one here, somebody else."""
    provider, dialect, _ = WIRES[wire]
    return st.sampled_from([None, f"{provider}/{dialect}/{model}", f"{provider}/{dialect}/m", "else/where/m"])


def blocks(wire: str, model: str) -> dict[type, st.SearchStrategy[Any]]:
    """A strategy for each type of block."""
    origin = origins(wire, model)
    signed = st.sampled_from([None, "c2ln"])
    text = st.builds(TextBlock, words, cache=caches, signature=signed, origin=origin, item_id=signed)
    image = st.builds(ImageBlock, st.sampled_from([PNG, "https://example.com/a.png"]), signed, caches)
    urls = st.sampled_from([PDF, "https://example.com/a.pdf", "data:text/plain;base64,SGk="])
    document = st.builds(DocumentBlock, urls, filename=signed, cache=caches, citations=st.booleans())
    results = st.lists(st.one_of(text, image, document), max_size=2)
    return {
        TextBlock: text,
        ImageBlock: image,
        DocumentBlock: document,
        AudioBlock: st.builds(AudioBlock, st.just("UklGRg=="), st.sampled_from(["wav", "mp3", "ogg"])),
        ReasoningBlock: st.builds(ReasoningBlock, words, signature=signed, data=signed, id=signed, origin=origin),
        OpaqueBlock: st.builds(OpaqueBlock, st.just(msgspec.Raw(b'{"type":"x", "n":1.0}')), origin),
        ToolCall: st.builds(
            ToolCall,
            ids,
            tool_names,
            st.sampled_from(['{"port":"Oban"}', "", "null", "[1]", "not json"]),
            custom=st.sampled_from([False, False, True]),
            signature=signed,
            item_id=signed,
            origin=origin,
            cache=caches,
        ),
        ToolResult: st.builds(
            ToolResult, ids, results, name=st.none() | tool_names, is_error=st.booleans(), cache=caches
        ),
    }


def messages(wire: str, model: str) -> st.SearchStrategy[list[Message]]:
    """A conversation."""
    kinds = blocks(wire, model)
    said: list[st.SearchStrategy[Block]] = [kinds[kind] for kind in kinds if kind not in (ToolCall, ToolResult)]
    plain = st.one_of(kinds[TextBlock], kinds[TextBlock], *said)
    content = words | st.lists(plain, max_size=3)
    names = st.none() | st.just("Ann")
    user = st.builds(Message, st.sampled_from(["user", "user", "system"]), content, name=names, cache=caches)
    calls = st.lists(kinds[ToolCall], max_size=2)
    parts = st.lists(st.one_of(plain, kinds[ToolCall]), max_size=3)
    assistant = st.builds(Message, st.just("assistant"), content, calls, refusal=names, parts=parts, cache=caches)
    held = st.lists(st.one_of(kinds[TextBlock], kinds[ImageBlock], kinds[DocumentBlock]), max_size=2)
    tool = st.builds(
        Message, st.just("tool"), words | held, tool_call_id=ids, name=st.none() | tool_names, is_error=st.booleans()
    )
    anything = st.builds(
        Message, st.sampled_from(["user", "tool", "assistant"]), parts=st.lists(st.one_of(*kinds.values()))
    )
    return st.lists(st.one_of(user, assistant, tool, tool, anything), min_size=1, max_size=6)


TOOLS = (
    TIDE,
    msgspec.structs.replace(TIDE, strict=True, cache=True),
    ToolSpec("what.now"),
    HostedTool("search", payload={"type": "web_search"}),
)

PARAMETERS: dict[str, st.SearchStrategy[Any]] = {
    "max_tokens": st.sampled_from([7, 9000]),
    "temperature": st.sampled_from([0.5, 1]),
    "top_p": st.just(0.9),
    "top_k": st.just(4),
    "stop": st.just(["END"]),
    "seed": st.just(7),
    "logprobs": st.booleans(),
    "top_logprobs": st.just(2),
    "tools": st.lists(st.sampled_from(TOOLS), min_size=1, max_size=3, unique_by=lambda tool: tool.name),
    "tool_choice": st.sampled_from(["auto", "none", "required", "tide"]),
    "parallel_tool_calls": st.booleans(),
    "reasoning": st.sampled_from(["off", "low", "high", "max", 0, -1, 3000]),
    "schema": st.just(SCHEMA) | st.just(OutputSchema("Any", {"type": "object"}, strict=False)),
    "json_mode": st.booleans(),
    "user": st.just("u1"),
    "service_tier": st.sampled_from(["auto", "default", "flex"]),
    "metadata": st.just({"a": "b"}),
    "extra_body": st.sampled_from([{"x": 1}, {"text": {"verbosity": "low"}}, {"toolConfig": {"z": [1]}}]),
}


@st.composite
def requests(draw: st.DrawFn, wire: str) -> ChatRequest:
    """A call on the wire."""
    model = draw(st.sampled_from([WIRES[wire][2], *MODELS]))
    names = draw(st.lists(st.sampled_from(sorted(PARAMETERS)), max_size=4, unique=True))
    given_ = {name: draw(PARAMETERS[name]) for name in names}
    return ChatRequest(model=model, messages=draw(messages(wire, model)), stream=draw(st.booleans()), **given_)
