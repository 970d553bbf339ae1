"""The laws that every table keeps, built in or a user's own: a wrong one fails when it is built, and says why."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter

import msgspec
import pytest

from miiflow_llm import LLMClient, dialects, providers, register
from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.core.messages import ImageBlock, TextBlock
from miiflow_llm.dialects.openai_chat import OPENAI_CHAT
from miiflow_llm.replay.server import ReplayServer
from miiflow_llm.target import engine_for
from miiflow_llm.wire.decode import WHOLE, event_names
from miiflow_llm.wire.engine import Engine
from miiflow_llm.wire.rows import all_rules, checked, with_rows
from miiflow_llm.wire.table import BLOCKS, Also, Dialect, Each, Provider, Rows, Rule, count, each, emit, inside, take
from miiflow_llm.wire.walk import walk

from .captured import DIALECTS, engine_of, own, shared
from .test_two_readings import frames

MODULES = [name for _, name, _ in pkgutil.iter_modules(dialects.__path__) if not name.startswith("_")]
NAMES = providers.builtin_names()


def dialect_of(module: str) -> Dialect:
    """The table in a dialect's file."""
    found = getattr(importlib.import_module(f"miiflow_llm.dialects.{module}"), module.upper())
    assert isinstance(found, Dialect)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_dialect(module: str) -> None:
    """A dialect is named after its file, documented, legal, and gives every block a place."""
    dialect = checked(dialect_of(module))
    assert dialect.name == module
    assert dialect.docs.startswith("https://")
    assert set(BLOCKS) <= set(dialect.parts)
    assert dialect.name in DIALECTS
    assert dialect.complete
    assert not set(dialect.ignored) & event_names(dialect.events), "an event is read or ignored, not both"


@pytest.mark.parametrize("name", NAMES)
def test_provider(name: str) -> None:
    """A provider is named after its file, documented, and every dialect it speaks is legal with its rows."""
    provider = providers.get(name)
    assert provider.name == name
    assert provider.docs.startswith("https://")
    assert provider.base_url is None or provider.base_url.startswith(("https://", "http://localhost"))
    assert provider.env or provider.key == "optional"
    options: tuple[Provider | Also, ...] = (provider, *provider.also)
    for option in options:
        with_rows(option.dialect, option)
        engine_for(provider, option)


def spoken() -> list[Engine]:
    """Every dialect as every built-in provider speaks it."""
    found = (providers.get(name) for name in NAMES)
    return [engine_for(provider, option) for provider in found for option in (provider, *provider.also)]


def test_every_rule_is_fired() -> None:
    """Each rule of each table is fired by a capture, or says why none does."""
    fired: Counter[int] = Counter()
    for capture in [*own(), *shared()]:
        if capture.status >= 400:
            continue
        decoder = engine_of(capture).decoder
        for event, data in frames(capture, decoder):
            try:
                value = msgspec.json.decode(data)
            except msgspec.DecodeError:
                continue
            fired.update(_fired(decoder.rules_for(event), value))
    silent = {
        f"{engine.origin} {rule.row} ({rule.kind})"
        for engine in spoken()
        for rule in all_rules((*engine.dialect.events, *engine.dialect.whole))
        if not rule.unproven and not any(_same(rule, number) for number in fired)
    }
    assert silent == set()


_BY_ID: dict[int, Rule] = {}


def _same(rule: Rule, number: int) -> bool:
    return _BY_ID[number] == rule


def _fired(rules: tuple[Rule | Each, ...], value: object) -> list[int]:
    """The rules that say something of the frame, each tried alone."""
    out = []
    for rule in rules:
        for alone in _alone(rule):
            if walk((alone[0],), value):
                _BY_ID[id(alone[1])] = alone[1]
                out.append(id(alone[1]))
    return out


def _alone(rule: Rule | Each) -> list[tuple[Rule | Each, Rule]]:
    """Each `emit` by itself, in the `each` that it stands in."""
    if isinstance(rule, Rule):
        return [(rule, rule)]
    return [(Each(rule.path, (inner,), rule.where, rule.on), leaf) for one in rule.rules for inner, leaf in _alone(one)]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: emit("txt", "a"), "text, reasoning"),
        (lambda: emit("text", "a", blok="b"), "text, block, signature"),
        (lambda: emit("text", "a..b") and checked(_with(events=(emit("text", "a..b"),))), "no path"),
        (lambda: checked(_with(finish={"stop": "halt"})), "stop, length"),
        (lambda: checked(_with(parts={TextBlock: inside({})})), "ImageBlock"),
        (lambda: checked(_with(usage={"prompt_tokens": count("promt")})), "counters are"),
        (lambda: with_rows(OPENAI_CHAT, Rows(events={"reasonin": None})), "reasoning"),
        (lambda: providers.get("opanai"), "Did you mean 'openai'"),
    ],
)
def test_misspelt(build: object, words: str) -> None:
    """A misspelt kind, field, path, word or row fails when the table is built, naming the legal ones."""
    with pytest.raises(ConfigurationError) as caught:
        Engine(build(), "x").decoder.reader("")  # type: ignore[operator]
    assert words in str(caught.value)


def _with(**rows: object) -> Dialect:
    return msgspec.structs.replace(OPENAI_CHAT, **rows)


HARBOUR = Provider(
    name="harbour",
    dialect=OPENAI_CHAT,
    base_url="https://llm.harbour.example/v1",
    docs="https://harbour.example/docs",
    env=("HARBOUR_API_KEY",),
    aliases=("quay",),
    body={"max_completion_tokens": None, "max_tokens": take("max_tokens"), "seed": None},
    events={"reasoning": emit("reasoning", "delta.musing")},
    more_events=(each("choices", emit("citation", "delta.sources", row="sources")),),
    finish={"done": "stop"},
)
"""What a user writes to add a provider: one table."""


@pytest.mark.anyio
async def test_a_provider_of_ones_own() -> None:
    """One table, one call, and it streams like the built-in ones."""
    register(HARBOUR, replace=True)
    capture = next(one for one in own() if one.key == "openai/text")
    served = msgspec.structs.replace(capture, provider="harbour", body=_in_harbours_words(capture.body))
    async with ReplayServer([served]) as server:
        client = LLMClient.create("quay", model="m", api_key="k", base_url=server.url_for("harbour", "text"))
        async with client, client.stream_chat("Hello", max_tokens=5) as stream:
            chunks = [chunk async for chunk in stream]
        assert server.requests[0].body["max_tokens"] == 5
    assert stream.response.message.reasoning == "hm"
    assert chunks[-1].finish_reason == "stop"
    assert chunks[-1].raw_finish_reason == "done"
    assert stream.response.citations == ["chart"]
    assert "harbour" in providers.names()
    with pytest.raises(ConfigurationError, match="exists already"):
        register(HARBOUR)


def _in_harbours_words(body: bytes) -> bytes:
    musing = b'data: {"choices":[{"index":0,"delta":{"musing":"hm","sources":["chart"]}}]}\n\n'
    return musing + body.replace(b'"finish_reason":"stop"', b'"finish_reason":"done"')


def test_refused_block() -> None:
    """A block that a provider cannot take raises before anything is sent, and says what would work."""
    client = LLMClient.create("cohere", model="command-a-03-2025", api_key="k")
    from miiflow_llm.core import AudioBlock, Message
    from miiflow_llm.core.exceptions import UnsupportedParameterError

    with pytest.raises(UnsupportedParameterError) as caught:
        client.plan([Message.user([AudioBlock("AAAA")])])
    assert caught.value.parameter == "AudioBlock"
    assert caught.value.provider == "cohere"
    assert ImageBlock in BLOCKS
    assert WHOLE
