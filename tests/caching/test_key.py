"""Keys: whatever changes the request on the wire changes the key, and the short list of what does not."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from typing import Any

import pytest

from miiflow_llm import LLMClient
from miiflow_llm.caching.key import key_of
from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.core.messages import ImageBlock, Message, TextBlock
from miiflow_llm.core.request import ToolSpec

from ..captured import own, sample, shared

CLIENT = LLMClient.create("openai", "gpt-4o-mini", "k" * 20, dialect="openai_chat")


def key(client: Any = CLIENT, messages: Any = "Why?", tenant: str | None = None, **parameters: Any) -> str:
    """The key of a call."""
    return key_of(client, messages, parameters, tenant)


def one_changed(value: Any) -> Iterator[Any]:
    """The value with one field changed, for each field in it, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield {other: one for other, one in value.items() if other != name}
            yield {f"{other}_" if other == name else other: one for other, one in value.items()}
            for changed in one_changed(inner):
                yield {**value, name: changed}
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield value[:place] + value[place + 1 :]
            for changed in one_changed(inner):
                yield [*value[:place], changed, *value[place + 1 :]]
        if len(value) > 1 and value[0] != value[-1]:
            yield value[::-1]
    elif isinstance(value, bool) or value is None:
        yield not value
    elif isinstance(value, (int, float)):
        yield value + 1
    else:
        yield f"{value} "


class Planned:
    """A client whose plan is given: what a key is made of, without the way there."""

    provider, model, identity = "planned", "m", "me"

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body

    def plan(self, messages: Any, **parameters: Any) -> Any:
        plan = CLIENT.plan("Why?")
        plan.body = self.body
        return plan


REQUESTS = [capture for capture in [*own(), *sample(shared(), 150)] if capture.request]


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_every_field_of_every_request_counts(part: int) -> None:
    """Each field of each recorded request changes the key: its value, its name, its place, its being there."""
    for capture in REQUESTS[part::8]:
        assert capture.request is not None
        whole = key(Planned(capture.request))
        assert whole == key(Planned(copy.deepcopy(capture.request)))
        seen = {whole}
        for changed in one_changed(capture.request):
            found = key(Planned(changed))
            assert found != whole, (capture.key, changed)
            seen.add(found)
        assert len(seen) > 2


SAID: dict[str, Any] = {
    "model": "gpt-4o", "temperature": 0.5, "top_p": 0.5, "max_tokens": 10, "stop": ["x"], "seed": 1,
    "presence_penalty": 0.5, "frequency_penalty": 0.5, "logprobs": True, "tools": [ToolSpec("f")],
    "json_mode": True, "service_tier": "flex", "extra_body": {"store": True}, "schema": int,
    "extra_headers": {"openai-beta": "x"}, "parallel_tool_calls": False,
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_every_parameter_counts(name: str) -> None:
    """Each parameter of a call changes the key."""
    beside = {"tools": SAID["tools"]} if name == "parallel_tool_calls" else {}
    assert key(**{name: SAID[name]}, **beside) != key(**beside)


@pytest.mark.parametrize(
    "said",
    [{"user": "ann"}, {"metadata": {"trace": "1"}}, {"extra_headers": {"traceparent": "00-1"}},
     {"extra_headers": {"X-Request-Id": "1"}}, {"temperature": None}],
    ids=str,
)  # fmt: skip
def test_what_is_left_out(said: dict[str, Any]) -> None:
    """Who asks and what traces it do not change the key."""
    assert key(**said) == key()


def test_prompt_cache_marks_are_left_out() -> None:
    """Marks for the provider's own cache change what a call costs, not what is answered."""
    client = LLMClient.create("anthropic", "claude-sonnet-4-5", "k" * 20)
    marked = [Message.system([TextBlock("Be brief.", cache=True)]), Message.user("Why?", cache="1h")]
    bare = [Message.system([TextBlock("Be brief.")]), Message.user("Why?")]
    assert key(client, marked) == key(client, bare)
    assert marked[1].cache == "1h"


def test_what_is_said_otherwise_but_sent_alike() -> None:
    """A string, a dict and a message are one call; streaming is not part of it."""
    assert key() == key(messages=[{"role": "user", "content": "Why?"}]) == key(messages=[Message.user("Why?")])


def test_dialects_addresses_and_owners_count() -> None:
    """Another provider, address, wire format, key or tenant is another answer."""
    clients = [
        CLIENT,
        LLMClient.create("openai", "gpt-4o-mini", "j" * 20, dialect="openai_chat"),
        LLMClient.create("openai", "gpt-4o-mini", "k" * 20, dialect="openai_responses"),
        LLMClient.create("openai", "gpt-4o-mini", "k" * 20, dialect="openai_chat", base_url="https://x.example/v1"),
        LLMClient.create("openai", "gpt-4o-mini", "k" * 20, dialect="openai_chat", headers={"openai-project": "p"}),
        LLMClient.create("openrouter", "gpt-4o-mini", "k" * 20),
    ]
    keys = [key(client) for client in clients] + [key(tenant="a"), key(tenant="b")]
    assert len(set(keys)) == len(keys)
    again = LLMClient.create("openai", "gpt-4o-mini", "k" * 20, dialect="openai_chat")
    assert key(again) == keys[0]


def test_no_key_shows_in_an_identity() -> None:
    """The stand-in for a tenant is a digest: neither the key nor the provider can be read from it."""
    assert "k" * 20 not in CLIENT.identity
    assert len(CLIENT.identity) == 32


def test_before_several_targets_the_unified_request_counts() -> None:
    """What stands before several targets gives a word for itself, and the rest of the key is what the caller said."""

    class Route:
        identity = "me"

        def __init__(self, name: str) -> None:
            self.name = name

        def cache_scope(self, parameters: Any) -> str:
            return f"route:{self.name}"

    image = ImageBlock("data:image/png;base64,iVBORw0KGgo=")
    keys = [
        key(Route("a")), key(Route("b")), key(Route("a"), temperature=0.1), key(Route("a"), schema=int),
        key(Route("a"), [Message.user("Why"), Message.user("?")]), key(Route("a"), [Message.user([image])]),
        key(Route("a"), extra_body={"x": 1}), key(Route("a"), tools=[ToolSpec("f")]), key(Route("a"), model="other"),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    assert key(Route("a"), user="ann", metadata={"a": "b"}) == keys[0]


def test_what_cannot_be_sent_has_no_key() -> None:
    """A request that cannot be said is an error before anything is looked for."""
    with pytest.raises(MiiflowLLMError):
        key(top_k=5)
    with pytest.raises(MiiflowLLMError):
        key(messages=[])


def test_a_long_conversation_costs_little() -> None:
    """The key of 24 kB costs less than the request itself: it is made once, without a second walk of the bytes."""
    messages = [Message.user("x" * 24_000)]
    key(messages=messages)
    began = time.process_time()
    for _ in range(50):
        key(messages=messages)
    assert (time.process_time() - began) / 50 < 0.05
