"""Conversations that a server would refuse for their turns: mended before they are sent, with a note in the plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miiflow_llm import LLMClient, Message, providers
from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.core.messages import (
    Block,
    DocumentBlock,
    ImageBlock,
    OpaqueBlock,
    ReasoningBlock,
    TextBlock,
    ToolCall,
    ToolResult,
)
from miiflow_llm.core.request import ChatRequest, Plan
from miiflow_llm.dialects.openai_chat import OPENAI_CHAT
from miiflow_llm.tables import Provider, Turns, as_spoken
from miiflow_llm.wire.encode.calls_and_results import NO_RESULT
from miiflow_llm.wire.encode.mending import mended

MODELS = {
    "openai": "gpt-4.1",
    "azure": "gpt-4.1",
    "anthropic": "claude-haiku-4-5",
    "gemini": "gemini-3.8-flash",
    "mistral": "mistral-small-latest",
    "cohere": "command-a-03-2025",
    "ollama": "qwen3",
    "groq": "openai/gpt-oss-120b",
    "deepseek": "deepseek-flash",
    "openrouter": "moonshotai/kimi-k3",
    "xai": "grok-4.6",
    "togetherai": "zai-org/GLM-5.3",
    "bedrock": "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "ai21": "jamba-mini",
    "openai-compatible": "local",
    "openai/openai_responses": "gpt-4.1",
}
PNG = "data:image/png;base64,iVBORw0KGgo="
USER = Message.user("When?")
CALL = ToolCall("c1", "tide", '{"port":"Oban"}')


def plan(wire: str, *messages: Message, model: str | None = None, **parameters: Any) -> Plan:
    """What the provider would be sent."""
    provider, _, dialect = wire.partition("/")
    client = LLMClient.create(
        provider, model or MODELS[wire], "k", dialect=dialect or None, base_url="http://127.0.0.1:9"
    )
    return client.plan(list(messages), **parameters)


def text_of(found: Plan) -> str:
    """The body as JSON text."""
    return msgspec.json.encode(found.body).decode()


def said(found: Plan, words: str) -> bool:
    """Whether a note has the words."""
    return any(words in note for note in found.notes)


def called(*calls: ToolCall, text: str = "") -> Message:
    """A turn of the model with calls."""
    return Message.assistant(text, tool_calls=calls)


def values(value: Any, key: str) -> Iterator[Any]:
    """All that stands under a key, at any depth."""
    if isinstance(value, dict):
        yield from (one for name, one in value.items() if name == key)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from values(one, key)


@pytest.mark.parametrize("wire", MODELS)
def test_what_needs_nothing_stays(wire: str) -> None:
    """A conversation in order goes out as it is, without a note, and its messages are the same objects."""
    conversation = [USER, called(CALL, text="Let me see."), Message.tool("six", "c1"), Message.assistant("Six."), USER]
    assert not any(note.startswith(("mended", "moved", "left out")) for note in plan(wire, *conversation).notes)
    provider, _, dialect = wire.partition("/")
    found = providers.get(provider)
    rows = next((one for one in found.also if one.dialect.name == dialect), found)
    request = ChatRequest(model=MODELS[wire], messages=conversation)
    notes: list[str] = []
    assert mended(as_spoken(found, rows), request, origin="a/b/c", notes=notes) is request
    assert notes == []


BROKEN = {
    "cut": ('{"port": "Ob', {"malformed_arguments": '{"port": "Ob'}),
    "words": ("Oban", {"malformed_arguments": "Oban"}),
    "two": ('{"a":1}{"b":2}', {"malformed_arguments": '{"a":1}{"b":2}'}),
    "python": ("{'a': 1}", {"malformed_arguments": "{'a': 1}"}),
    "a list": ("[1]", {"value": [1]}),
    "a text": ('"x"', {"value": "x"}),
    "a number": ("5", {"value": 5}),
    "deep": ("[" * 5000, {"malformed_arguments": "[" * 5000}),
    "a lone surrogate": ('{"a":"\\ud83d"}', {"a": "\ufffd"}),
    "a raw one": ('{"a":"\ud83d"}', {"a": "\ufffd"}),
    "a NUL": ('{"a":"\\u0000"}', {"a": "\ufffd"}),
    "no NUL": ('{"a":"\\\\u0000"}', {"a": "\\u0000"}),
    "nothing": ("", {}),
    "null": (" null ", {}),
}


def arguments_of(body: Any) -> list[Any]:
    """The arguments of the calls in a body, as Python values."""
    found = [*values(body, "arguments"), *values(body, "args")]
    found += [one for key in ("tool_use", "toolUse") for one in _inputs(body, key)]
    return [json.loads(one) if isinstance(one, str) else one for one in found]


def _inputs(body: Any, kind: str) -> list[Any]:
    parts = [one for some in values(body, "content") if isinstance(some, list) for one in some]
    return [one.get("toolUse", one)["input"] for one in parts if one.get("type") == kind or kind in one]


@pytest.mark.parametrize("wire", MODELS)
@pytest.mark.parametrize("name", BROKEN)
def test_broken_arguments(wire: str, name: str) -> None:
    """Arguments that are no object of JSON go out as one that holds them, on wires where they are a text too."""
    text, value = BROKEN[name]
    found = plan(wire, USER, called(ToolCall("c1", "tide", text)), Message.tool("six", "c1"))
    assert arguments_of(found.body) == [value]
    assert said(found, "mended: the arguments of a call of tide") == (name not in ("nothing", "null", "no NUL"))


@pytest.mark.parametrize("wire", MODELS)
def test_a_custom_tools_text_is_no_json(wire: str) -> None:
    """The free text of a custom tool is not looked at as JSON."""
    call = ToolCall("c1", "draw", "M 0 0", custom=True)
    found = plan(wire, USER, called(call), Message.tool("done", "c1"))
    assert "M 0 0" in text_of(found)
    assert "malformed" not in text_of(found)


@pytest.mark.parametrize("wire", MODELS)
def test_texts_that_no_server_takes(wire: str) -> None:
    """Lone surrogates and NULs are U+FFFD, wherever they stand; a pair in two halves is its character."""
    conversation = [
        Message.system("a\x00b"),
        Message("user", [TextBlock("c\ud83dd"), TextBlock("\ud83d\ude00")], name="n\x00"),
        Message("assistant", "e\ud83d", tool_calls=[ToolCall("i\x00", "tide", "{}")]),
        Message.tool("f\x00\udc00", "i\x00", name="tide"),
        Message("assistant", "g", parts=[TextBlock("g\x00")]),
        Message.user("h"),
    ]
    found = plan(wire, *conversation)
    text = text_of(found)
    assert "\\u0000" not in text
    for words in ("a\ufffdb", "c\ufffdd", "\U0001f600", "e\ufffd", "f\ufffd\ufffd", "g\ufffd"):
        assert words in text
    assert said(found, "mended: lone surrogates and NULs")


@pytest.mark.parametrize("wire", MODELS)
def test_texts_of_tools_and_schemas(wire: str) -> None:
    """The same of the words of tools, of their schemas and of the answer's."""
    schema = {"type": "object", "properties": {"a\x00": {"type": "string", "description": "x\ud83d", "enum": ["\x00"]}}}
    tool = {"name": "tide", "description": "When\x00\ud83d?", "parameters": schema}
    for parameters in ({"tools": [tool]}, {"schema": schema}):
        text = text_of(plan(wire, USER, **parameters))
        assert "\\u0000" not in text
        assert "x\ufffd" in text


def results_of(body: Any) -> list[tuple[str, str]]:
    """The calls and results of a body in their order, as `call` or `result` with the id."""
    out: list[tuple[str, str]] = []
    for message in body.get("messages") or body.get("input") or ():
        if message.get("type") in ("function_call", "function_call_output"):
            out.append(("call" if "name" in message else "result", message["call_id"]))
        out += [("call", call["id"]) for call in message.get("tool_calls") or ()]
        if message.get("role") == "tool":
            out.append(("result", message["tool_call_id"]))
        for part in message["content"] if isinstance(message.get("content"), list) else ():
            use, result = part.get("toolUse") or part, part.get("toolResult") or part
            if part.get("type") == "tool_use" or "toolUse" in part:
                out.append(("call", use.get("id") or use["toolUseId"]))
            if part.get("type") == "tool_result" or "toolResult" in part:
                out.append(("result", result.get("tool_use_id") or result["toolUseId"]))
    return out


WITH_IDS = [wire for wire in MODELS if wire != "gemini"]


def paired(found: Plan) -> bool:
    """Whether each call has its result behind it, before any other turn's, and each id is used for one call alone."""
    order = results_of(found.body)
    waiting: list[str] = []
    seen: set[str] = set()
    for kind, identity in order:
        if kind == "call":
            if identity in seen:
                return False
            seen.add(identity)
            waiting.append(identity)
        elif identity not in waiting:
            return False
        else:
            waiting.remove(identity)
    return not waiting


@pytest.mark.parametrize("wire", MODELS)
def test_a_call_without_a_result(wire: str) -> None:
    """A call that was never answered gets a result that says so, in the middle and at the end."""
    other = ToolCall("c2", "moon", "{}")
    for conversation in (
        [USER, called(CALL), Message.user("And now?")],
        [USER, called(CALL)],
        [USER, called(CALL, other), Message.tool("full", "c2"), Message.user("And now?")],
    ):
        found = plan(wire, *conversation)
        assert text_of(found).count(NO_RESULT) == 1
        assert said(found, "a call of tide without a result")
        if wire in WITH_IDS:
            assert paired(found)


@pytest.mark.parametrize("wire", MODELS)
def test_a_result_without_its_call(wire: str) -> None:
    """A result whose call was cut off is a text of the user, under the tool's name; nothing of it is lost."""
    found = plan(wire, USER, Message.tool("six", "c9", name="tide"), Message.user("Well?"))
    text = text_of(found)
    assert "What tide gave back:" in text
    assert "six" in text
    assert said(found, "a tool's result without its call")
    assert results_of(found.body) == [] if wire in WITH_IDS else "functionResponse" not in text


@pytest.mark.parametrize("wire", MODELS)
def test_two_results_of_one_call(wire: str) -> None:
    """A second result of a call that has one is a text behind the results."""
    found = plan(
        wire, USER, called(CALL), Message.tool("six", "c1"), Message.tool("seven", "c1"), Message.user("Well?")
    )
    assert "six" in text_of(found)
    assert "seven" in text_of(found)
    assert said(found, "a tool's result without its call")
    if wire in WITH_IDS:
        assert paired(found)


@pytest.mark.parametrize("wire", MODELS)
def test_results_that_stand_elsewhere(wire: str) -> None:
    """A result goes right behind its call, whatever was said between."""
    other = ToolCall("c2", "moon", "{}")
    found = plan(
        wire,
        USER,
        called(CALL, other),
        Message.tool("full", "c2"),
        Message.user("Still there?"),
        Message.tool("six", "c1"),
        Message.assistant("Yes."),
        USER,
    )
    text = text_of(found)
    assert text.index("full") < text.index("Still there?")
    assert text.index("six") < text.index("Still there?")
    assert said(found, "moved: the result of tide, to its call")
    if wire in WITH_IDS:
        assert paired(found)


@pytest.mark.parametrize("wire", WITH_IDS)
@pytest.mark.parametrize("identity", ["c1", "", "call_0", "functions.tide:0", "c 1", "x" * 80, "é"])
def test_ids_that_are_used_twice(wire: str, identity: str) -> None:
    """Ids that several calls have, in one turn or in several, or none, are made unique, of call and result together."""
    one, two = ToolCall(identity, "tide", '{"n":1}'), ToolCall(identity, "moon", '{"n":2}')
    conversation = [USER]
    for turn, calls in enumerate(([one], [one, two], [two])):
        conversation.append(called(*calls))
        conversation += [
            Message.tool(f"{turn}:{at}:{call.name}", identity or "", name=call.name) for at, call in enumerate(calls)
        ]
    found = plan(wire, *conversation, Message.user("Well?"))
    assert paired(found)
    assert [value["n"] for value in arguments_of(found.body)] == [1, 1, 2, 2]
    order = [text_of(found).index(words) for words in ("0:0:tide", "1:0:tide", "1:1:moon", "2:0:moon")]
    assert order == sorted(order)
    assert said(found, "mended: the id of a call")
    again = plan(wire, *conversation, Message.user("Well?"), Message.assistant("So."), USER)
    assert results_of(again.body) == results_of(found.body)  # the same ids as the conversation goes on


def test_a_result_without_an_id() -> None:
    """A result without an id answers by its name; without both it is an error."""
    found = plan("openai", USER, called(CALL), Message("tool", "six", name="tide"))
    assert results_of(found.body) == [("call", "c1"), ("result", "c1")]
    with pytest.raises(ConfigurationError, match="needs tool_call_id"):
        plan("openai", USER, called(CALL), Message("tool", "six"))


@pytest.mark.parametrize("wire", MODELS)
def test_results_in_a_users_message(wire: str) -> None:
    """Results as blocks of a user's message, as Anthropic has them, go where the wire has them."""
    blocks: list[Block] = [TextBlock("Well?"), ToolResult("c1", [TextBlock("six")])]
    turn = Message("assistant", [TextBlock("Let me see."), CALL])
    found = plan(wire, USER, turn, Message("user", blocks))
    assert text_of(found).index("six") < text_of(found).index("Well?")
    assert not said(found, "mended")
    if wire in WITH_IDS:
        assert paired(found)


OWN = {
    "anthropic": "anthropic/anthropic_messages/claude-haiku-4-5",
    "bedrock": f"bedrock/bedrock_converse/{MODELS['bedrock']}",
    "gemini": "gemini/gemini_generate/gemini-3.8-flash",
    "openai/openai_responses": "openai/openai_responses/gpt-4.1",
    "deepseek": "deepseek/openai_chat/deepseek-flash",
    "groq": "groq/openai_chat/openai/gpt-oss-120b",
    "mistral": "mistral/mistral_chat/mistral-small-latest",
}


def thoughts(wire: str) -> ReasoningBlock:
    """Thinking that the model itself made."""
    return ReasoningBlock("Hmmm.", signature="c2ln", id="rs_1", origin=OWN.get(wire, "a/b/c"))


@pytest.mark.parametrize("wire", MODELS)
@pytest.mark.parametrize("kind", ["empty", "blank", "thinking", "thinking and blank", "of another"])
def test_a_turn_that_says_nothing(wire: str, kind: str) -> None:
    """A turn of the model that is empty, or cut in its thinking, is left out, and the conversation goes on."""
    turns = {
        "empty": Message.assistant(""),
        "blank": Message.assistant("\n \n"),
        "thinking": Message("assistant", parts=[thoughts(wire)]),
        "thinking and blank": Message("assistant", parts=[thoughts(wire), TextBlock("\n")]),
        "of another": Message("assistant", parts=[OpaqueBlock.of({"type": "x"}, "a/b/c")]),
    }
    found = plan(wire, USER, turns[kind], Message.user("Go on."))
    assert "Hmmm." not in text_of(found)
    assert '"assistant"' not in text_of(found)
    assert '"role":"model"' not in text_of(found)
    assert "Go on." in text_of(found)
    assert said(found, "left out: an assistant's message that says nothing")


@pytest.mark.parametrize("wire", OWN)
def test_thinking_at_the_end_of_a_turn(wire: str) -> None:
    """Thinking that nothing follows is left out where it stands among the rest, not where it is a text of its own."""
    turn = Message("assistant", "Six.", parts=[thoughts(wire), TextBlock("Six."), thoughts(wire)])
    found = plan(wire, USER, turn, Message.user("Go on."))
    beside = {"deepseek": 2, "groq": 2}
    kept = text_of(found).count("Hmmm.")
    assert kept == beside.get(wire, 1)
    assert said(found, "thinking at its end") == (wire not in beside)


@pytest.mark.parametrize("wire", ["anthropic", "bedrock"])
def test_white_space_alone(wire: str) -> None:
    """Where text of white space alone is refused it is left out, wherever it stands; where it is taken it stays."""
    turn = Message("assistant", parts=[TextBlock("\n\n"), CALL])
    conversation = [
        Message.system(" "),
        Message.user([TextBlock("\t"), TextBlock("x")]),
        turn,
        Message.tool([TextBlock(" "), TextBlock("six")], "c1"),
        Message.user("  "),
        Message.assistant("y"),
        USER,
    ]
    found = plan(wire, *conversation)
    assert not [
        one for key in ("text", "content", "system") for one in values(found.body, key) if one in (" ", "  ", "\t")
    ]
    assert '"\\n\\n"' not in text_of(found)
    assert said(found, "only white space")
    assert said(found, "a user's message that says nothing")
    with pytest.raises(ConfigurationError, match="nothing that could be sent"):
        plan(wire, Message.user(" "))
    beginning = plan(wire, USER, Message.assistant("So, \n"))
    assert '"So,"' in text_of(beginning)
    assert '"  "' in text_of(plan("openai", Message.user("  ")))


@pytest.mark.parametrize("wire", ["anthropic", "bedrock", "gemini"])
def test_the_user_begins(wire: str) -> None:
    """Where a conversation begins with the user, one that was cut at its front does so too."""
    found = plan(wire, Message.system("S"), Message.assistant("Six."), USER)
    assert (found.body or {})["messages" if wire != "gemini" else "contents"][0]["role"] == "user"
    assert said(found, "begins with the model")
    assert not said(plan("openai", Message.assistant("Six."), USER), "begins with the model")


@pytest.mark.parametrize("provider", ["openai-compatible", "perplexity"])
def test_neighbours(provider: str) -> None:
    """Neighbours of one role are one message, for servers whose templates want user and assistant in turn."""
    conversation = [
        Message.user("a"),
        Message.user("b", name="n"),
        Message.user([TextBlock("c"), ImageBlock(PNG)]),
        Message.assistant("d"),
        called(CALL, text="e"),
        Message.tool("six", "c1"),
        Message.assistant("f"),
        Message.user("g"),
        Message.user("h"),
    ]
    client = LLMClient.create(provider, "local", "k", base_url="http://127.0.0.1:9")
    found = client.plan(conversation)
    sent = (found.body or {})["messages"]
    assert [one["role"] for one in sent] == ["user", "assistant", "tool", "assistant", "user"]
    assert [part.get("text") for part in sent[0]["content"]] == ["a", "b", "c", None]
    assert "name" not in sent[0]
    assert sent[1]["tool_calls"][0]["function"]["name"] == "tide"
    assert sent[4]["content"] == "g\n\nh"
    assert said(found, "neighbours of one role")


def test_system_messages_at_a_server_of_the_callers() -> None:
    """System messages, wherever they stand, are one at the head, which is all that templates take."""
    conversation = [Message.system("a"), Message.system("b"), USER, Message.assistant("y"), Message.system("c"), USER]
    found = plan("openai-compatible", *conversation)
    sent = (found.body or {})["messages"]
    assert [one["role"] for one in sent] == ["system", "user", "assistant", "user"]
    assert sent[0]["content"] == "a\n\nb\n\nc"
    assert said(found, "system messages")
    assert [one["role"] for one in (plan("openai", *conversation).body or {})["messages"]].count("system") == 3


def test_a_word_between() -> None:
    """Mistral's older models take no user right behind a tool's result; newer ones do."""
    conversation = [USER, called(CALL), Message.tool([TextBlock("six"), ImageBlock(PNG)], "c1"), Message.user("Well?")]
    old = (plan("mistral", *conversation, model="open-mixtral-8x22b").body or {})["messages"]
    assert [one["role"] for one in old][-3:] == ["tool", "assistant", "user"]
    new = (plan("mistral", *conversation, model="mistral-medium-3.5").body or {})["messages"]
    assert [one["role"] for one in new][-2:] == ["tool", "user"]


MIXED: list[Block] = [TextBlock("Look:"), ImageBlock(PNG), TextBlock("or"), DocumentBlock.from_text("High at six")]
SHOW_NOTHING = ["openai", "azure", "openrouter", "xai", "groq", "togetherai", "openai-compatible"]


@pytest.mark.parametrize("wire", SHOW_NOTHING)
def test_media_of_results(wire: str) -> None:
    """Where a model is shown the text of a result alone, images go into a user's message, text documents are text."""
    found = plan(wire, USER, called(CALL), Message.tool(list(MIXED), "c1"), Message.user("Well?"))
    sent = (found.body or {})["messages"]
    (result,) = (one for one in sent if one["role"] == "tool")
    words = (
        result["content"] if isinstance(result["content"], str) else "".join(one["text"] for one in result["content"])
    )
    assert words == "Look:orHigh at six"
    after = sent[sent.index(result) + 1]
    assert after["role"] == "user"
    assert [part["type"] for part in after["content"]][:2] == ["text", "image_url"]
    assert said(found, "moved: ImageBlock of a tool's result")


@pytest.mark.parametrize(
    "wire", ["deepseek", "groq", "togetherai", "mistral", "cohere", "ollama", "openai-compatible", "alibaba", "minimax"]
)
def test_reasoning_of_a_dict(wire: str) -> None:
    """`reasoning_content` of a message as a dict goes back to servers that take thinking as a text."""
    answer = {"role": "assistant", "content": "Six.", "reasoning_content": "Hmmm."}
    client = LLMClient.create(wire, MODELS.get(wire, "m"), "k", base_url="http://127.0.0.1:9")
    found = client.plan(["When?", answer, "Thanks."])
    left_out = wire in ("openai-compatible", "alibaba")
    if "Hmmm." not in text_of(found):
        assert said(found, "left out: ReasoningBlock")
    assert ("Hmmm." in text_of(found)) or left_out


@pytest.mark.parametrize("wire", ["anthropic", "bedrock", "gemini", "openai/openai_responses", "openai"])
def test_unsigned_reasoning_goes_to_none_that_sign(wire: str) -> None:
    """Where thinking goes back with its proof alone, that of a dict is left out, and that is noted."""
    answer = Message.from_dict({"role": "assistant", "content": "Six.", "reasoning_content": "Hmmm."})
    found = plan(wire, USER, answer, USER)
    assert "Hmmm." not in text_of(found)
    assert said(found, "left out: ReasoningBlock")


IDS = st.sampled_from(["", "a", "b", "a b", "c" * 70])
CALLS = st.builds(ToolCall, IDS, st.sampled_from(["f", "g"]), st.sampled_from(["{}", "", "[1]", "{"]))
PARTS = st.sampled_from(
    [TextBlock("x"), TextBlock(" "), TextBlock(""), TextBlock("\x00"), ReasoningBlock("r"), ImageBlock(PNG)]
)
TURNS = st.one_of(
    st.builds(Message.user, st.lists(PARTS.filter(lambda part: not isinstance(part, ReasoningBlock)), max_size=2)),
    st.builds(Message.user, st.sampled_from(["hi", "", " "])),
    st.builds(Message.system, st.sampled_from(["s", ""])),
    st.builds(
        lambda parts, calls: Message("assistant", parts, tool_calls=calls),
        st.lists(PARTS.filter(lambda part: not isinstance(part, ImageBlock)), max_size=2),
        st.lists(CALLS, max_size=3),
    ),
    st.builds(lambda text, identity: Message.tool(text, identity, name="f"), st.sampled_from(["r", "", " "]), IDS),
)


@pytest.mark.slow
@given(st.lists(TURNS, max_size=8))
def test_whatever_a_conversation_is(turns: list[Message]) -> None:
    """Every conversation goes out in order on every wire, mended once and for all; no text of it is lost."""
    conversation = [Message.user("begin"), *turns, Message.user("end")]
    for wire in ("openai", "anthropic", "bedrock", "openai-compatible", "gemini", "mistral", "openai/openai_responses"):
        found = plan(wire, *conversation)
        assert "\\u0000" not in text_of(found)
        assert "begin" in text_of(found)
        assert "end" in text_of(found)
        if wire in WITH_IDS:
            assert paired(found)
        provider, _, dialect = wire.partition("/")
        rows = providers.get(provider)
        table = as_spoken(rows, next((one for one in rows.also if one.dialect.name == dialect), rows))
        request = ChatRequest(model=MODELS[wire], messages=conversation)
        once = mended(table, request, origin=f"{provider}/{table.name}/m", notes=[])
        assert mended(table, once, origin=f"{provider}/{table.name}/m", notes=[]).messages == once.messages


LOST = [
    (
        Message.user("x", name="Ann"),
        "name of a user message",
        ["openai", "azure", "groq", "openai-compatible", "openrouter"],
    ),
    (Message.user([TextBlock("x"), ImageBlock(PNG, "low")]), "detail of a ImageBlock", ["openai", "mistral", "cohere"]),
    (
        Message.user([DocumentBlock.from_text("x", filename="x.txt")]),
        "filename of a DocumentBlock",
        ["anthropic", "bedrock"],
    ),
]


@pytest.mark.parametrize(("message", "words", "wires"), LOST, ids=range(len(LOST)))
def test_what_has_no_place(message: Message, words: str, wires: list[str]) -> None:
    """What is said of a message or of a part, and has no place on a wire, is noted and not dropped in silence."""
    for wire in wires:
        assert not said(plan(wire, message), words)
    for wire in ("gemini", "xai") if "detail" not in words else ("anthropic", "gemini", "ollama"):
        assert said(plan(wire, message), f"left out: {words}")


def test_an_error_that_a_wire_cannot_mark() -> None:
    """That a tool failed is noted where a result bears no mark of it."""
    conversation = [USER, called(CALL), Message.tool("no such port", "c1", is_error=True)]
    assert said(plan("openai", *conversation), "left out: is_error of a tool's result")
    assert not said(plan("anthropic", *conversation), "is_error")
    assert not said(plan("gemini", *conversation), "is_error")


def test_the_rows_of_a_provider_of_ones_own() -> None:
    """What is refused of turns is rows of a table, which a provider of one's own replaces like any others."""
    rows = Turns(alternate=True, blank=False, begins_with_user=True, call_ids="[a-z0-9_]+")
    strict = Provider(name="strict", dialect=OPENAI_CHAT, base_url="https://x", docs="https://x", turns=rows)
    conversation = [Message.assistant("a"), USER, Message.user(" "), USER, called(CALL), Message.tool("six", "c1")]
    sent = (LLMClient.create(strict, "m", "k").plan(conversation).body or {})["messages"]
    assert [one["role"] for one in sent] == ["user", "assistant", "user", "assistant", "tool"]
    assert sent[2]["content"] == "When?\n\nWhen?"
    lax = Provider(name="lax", dialect=OPENAI_CHAT, base_url="https://x", docs="https://x", text_results=False)
    shown = [USER, called(CALL), Message.tool([TextBlock("six"), ImageBlock(PNG)], "c1")]
    assert len((LLMClient.create(lax, "m", "k").plan(shown).body or {})["messages"]) == 4  # no place for images there
