"""Dicts are read once, and again as soon as they say something else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miiflow_llm import LLMClient
from miiflow_llm.calls import read_again
from miiflow_llm.calls.read_again import length, messages_of, saying
from miiflow_llm.core.events import CallEvent
from miiflow_llm.core.messages import Message, TextBlock, data_url
from miiflow_llm.core.shelf import Budget
from miiflow_llm.wire.encode.kept import NotKept

IMAGE = data_url("image/png", b"\x89PNG\r\n\x1a\n" + bytes(60_000))


def conversation() -> list[dict[str, Any]]:
    """Messages as users of OpenAI write them."""
    return [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, image(IMAGE)], "name": "Ann"},
        {"role": "assistant", "content": None, "tool_calls": [call("call_1", '{"port":"Oban"}')]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Six."},
        {"role": "assistant", "content": "At six."},
        {"role": "user", "content": "Thanks."},
    ]


def image(url: str) -> dict[str, Any]:
    """An image part."""
    return {"type": "image_url", "image_url": {"url": url}}


def call(identity: str, arguments: Any) -> dict[str, Any]:
    """A tool call."""
    return {"id": identity, "type": "function", "function": {"name": "tide", "arguments": arguments}}


def client(provider: str = "openai") -> LLMClient:
    """A client that sends nothing."""
    return LLMClient.create(provider, {"openai": "gpt-4.1"}.get(provider, "claude-opus-5"), "k")


def test_a_dict_is_read_once() -> None:
    """The same dicts give the same messages, in a list of the caller's or in another, and what is new is read."""
    dicts = conversation()
    first = messages_of(dicts)
    assert all(one is other for one, other in zip(first, messages_of([*dicts]), strict=True))
    dicts.append({"role": "user", "content": "One more."})
    again = messages_of(dicts)
    assert all(one is other for one, other in zip(first, again, strict=False))
    assert again[6] == Message.user("One more.")


CHANGES: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "a text": lambda d: d[5].update(content="Bye."),
    "a text of the same length": lambda d: d[5].update(content="Thanks!"),
    "a role": lambda d: d[4].update(role="user"),
    "a name": lambda d: d[1].update(name="Bob"),
    "a name taken away": lambda d: d[1].pop("name"),
    "a part's text": lambda d: d[1]["content"][0].update(text="Who is it?"),
    "a part appended": lambda d: d[1]["content"].append({"type": "text", "text": "Please."}),
    "a part taken out": lambda d: d[1]["content"].pop(),
    "parts turned round": lambda d: d[1]["content"].reverse(),
    "an image": lambda d: d[1]["content"][1]["image_url"].update(url="https://example.com/a.png"),
    "an image's detail": lambda d: d[1]["content"][1]["image_url"].update(detail="low"),
    "arguments": lambda d: d[2]["tool_calls"][0]["function"].update(arguments='{"port":"Ayr"}'),
    "a call's name": lambda d: d[2]["tool_calls"][0]["function"].update(name="ebb"),
    "a call appended": lambda d: d[2]["tool_calls"].append(call("call_2", "{}")),
    "a result": lambda d: d[3].update(content="Seven."),
    "a result that failed": lambda d: d[3].update(is_error=True),
    "a message put between": lambda d: d.insert(5, {"role": "user", "content": "Well?"}),
    "a message taken out": lambda d: d.pop(4),
    "another dict": lambda d: d.__setitem__(5, {"role": "user", "content": "Bye."}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_changed_dict_is_sent_as_it_is_now(provider: str, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    """However dicts are changed between two calls, the second sends what they say then."""
    dicts = conversation()
    before = client(provider).plan(dicts).content
    assert client(provider).plan(dicts).content == before
    change(dicts)
    now = client(provider).plan(dicts).content
    assert now == client(provider).plan(copy.deepcopy(dicts)).content
    same = {"openai": ("a result that failed",), "anthropic": ("a name", "a name taken away", "an image's detail")}
    assert (now == before) == (change in [CHANGES[name] for name in same[provider]])


def test_the_order_of_arguments_is_kept() -> None:
    """Arguments that are given as an object are sent in the order that they have now, and of the types."""
    message = {"role": "assistant", "tool_calls": [call("c", {"a": 1, "b": 2})]}
    dicts = [{"role": "user", "content": "x"}, message, {"role": "tool", "tool_call_id": "c", "content": "y"}]
    for arguments in ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"b": 2, "a": True}, {"b": 2, "a": 1.0}):
        inner: Any = message["tool_calls"][0]
        inner["function"]["arguments"].clear()
        inner["function"]["arguments"].update(arguments)
        sent = (client().plan(dicts).body or {})["messages"][1]["tool_calls"][0]["function"]["arguments"]
        assert sent == msgspec.json.encode(arguments).decode()


json = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 1.0, 2, "", "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=500)
@given(json, json)
def test_what_is_said_tells_all_apart(one: Any, other: Any) -> None:
    """Two values say the same if and only if their JSON is the same: in order, in types, in depth."""
    assert (saying(one) == saying(other)) == (msgspec.json.encode(one) == msgspec.json.encode(other))
    assert length(saying(one)) > 0 or one in ("", None)


def test_what_is_said_shares_nothing_that_can_change() -> None:
    """What a dict said stays what it was when the dict is changed; of other objects nothing is told."""
    value: dict[str, Any] = {"a": [{"b": "c"}]}
    said = saying(value)
    value["a"][0]["b"] = "d"
    assert saying(value) != said
    for odd in ({"a": TextBlock("x")}, {"a": (1,)}, {"a": b"x"}, {"a": type("Word", (str,), {})("x")}):
        with pytest.raises(NotKept):
            saying(odd)


def test_blocks_in_dicts() -> None:
    """A dict that holds blocks of ours is read each time."""
    block = TextBlock("x")
    dicts = [{"role": "user", "content": [block]}, {"role": "user", "content": "y"}]
    assert messages_of(dicts)[0].text == "x"
    block.text = "z"
    assert messages_of(dicts)[0].text == "z"


def test_hooks_that_change_what_was_made() -> None:
    """What a hook does to the messages and tools of one call does not show in the next."""
    dicts = conversation()
    tools = [{"type": "function", "function": {"name": "tide", "parameters": {"type": "object", "properties": {}}}}]
    before = client().plan(dicts, tools=tools).content
    request = client()._call(dicts, None, stream=False, parameters={"tools": tools}).request
    request.messages[5].content = "changed"
    assert request.tools is not None
    (request.tools[0].parameters or {})["properties"] = {"changed": {}}
    assert isinstance(request.tools, list)
    request.tools.clear()
    assert client().plan(dicts, tools=tools).content == before
    assert CallEvent.__struct_fields__.count("request") == 1


def test_changed_tools_are_sent_as_they_are_now() -> None:
    """A tool that is put in, a description, a schema changed in its depth: each is in the next request."""
    parameters: dict[str, Any] = {"type": "object", "properties": {"port": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "tide", "description": "Tides.", "parameters": parameters}}]
    seen = []

    def sent() -> None:
        now = client().plan("x", tools=tools).content
        assert now == client().plan("x", tools=copy.deepcopy(tools)).content == client().plan("x", tools=tools).content
        seen.append(now)

    sent()
    parameters["properties"]["port"]["description"] = "A port."
    sent()
    parameters["properties"]["day"] = {"type": "integer", "minimum": 1}
    sent()
    parameters["properties"]["day"]["minimum"] = 2
    sent()
    tools[0]["function"]["description"] = "Ebbs."  # type: ignore[index]
    sent()
    tools.append({"type": "function", "function": {"name": "now"}})
    sent()
    tools.reverse()
    sent()
    assert len(set(seen)) == len(seen)


def test_what_was_read_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many conversations and tools come, no more than the budget's bytes stay; one that goes on is kept."""
    budget = Budget(600_000)
    monkeypatch.setattr(read_again, "_messages", budget.shelf())
    monkeypatch.setattr(read_again, "_tools", budget.shelf())
    mine = [{"role": "user", "content": "mine"}, {"role": "user", "content": "too"}]
    for number in range(300):
        first = messages_of(mine)[0]
        messages_of([{"role": "user", "content": f"{number}" * 2000}, {"role": "user", "content": [image(IMAGE)]}])
        client().plan("x", tools=[{"name": f"f{number}", "description": "x" * number * 10}])
        assert messages_of(mine)[0] is first
        assert budget.held() <= 2 * budget.most + 200_000
    assert len(IMAGE) > read_again.LARGE
