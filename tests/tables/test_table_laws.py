"""The laws that every table keeps, built in or a user's own: a wrong one fails when it is built, and says why."""

from __future__ import annotations

import importlib
import pkgutil
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
import pytest

from miiflow_llm import LLMClient, dialects, providers, register
from miiflow_llm.calls.target import engine_for
from miiflow_llm.core.exceptions import ConfigurationError, ProviderError, UnsupportedParameterError
from miiflow_llm.core.messages import AudioBlock, Message, TextBlock, ToolCall
from miiflow_llm.core.request import PARAMETERS, ChatRequest
from miiflow_llm.dialects.openai_chat import OPENAI_CHAT
from miiflow_llm.dialects.openai_responses import OPENAI_RESPONSES
from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.server import ReplayServer
from miiflow_llm.tables import (
    BLOCKS,
    Also,
    Dialect,
    Each,
    Endpoint,
    Provider,
    ResponseHeaders,
    Rows,
    Rule,
    RuleLike,
    Turns,
    apart,
    as_spoken,
    by_model,
    by_role,
    count,
    dialects_of,
    drop,
    each,
    emit,
    exists,
    fault,
    inside,
    take,
    when,
    with_rows,
)
from miiflow_llm.tables.check import all_rules, checked
from miiflow_llm.tables.template import fill, holes
from miiflow_llm.wire.decode.decoder import event_names
from miiflow_llm.wire.decode.tolerant import Mismatch, walk
from miiflow_llm.wire.encode.request import parameters
from miiflow_llm.wire.engine import Engine

from ..captured import DIALECTS, engine_of, fresh_engine_of, own, read_stream, shared
from ..wire.test_two_readings import frames

FILES = [name for _, name, _ in pkgutil.iter_modules(dialects.__path__) if not name.startswith("_")]
MODULES = [name for name in FILES if name != "schema_subsets"]
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
    for option in provider.options:
        as_spoken(provider, option)
        engine_for(provider, option)


def spoken() -> list[Engine]:
    """Every dialect as every built-in provider speaks it."""
    found = (providers.get(name) for name in NAMES)
    return [engine_for(provider, option) for provider in found for option in provider.options]


def test_every_rule_is_fired() -> None:
    """Each rule of each table is fired by a capture of our own in its dialect, or says why none does."""
    proven = fired(own())
    assert {
        name(engine, rule) for engine, rule in every_rule() if not (rule.unproven or is_in(proven, engine, rule))
    } == set()


@pytest.mark.slow
def test_unproven_is_true() -> None:
    """What says that no capture fires it is fired by none, recorded ones included."""
    proven = fired([*own(), *shared()])
    assert {
        name(engine, rule) for engine, rule in every_rule() if rule.unproven and is_in(proven, engine, rule)
    } == set()


def name(engine: Engine, rule: Rule) -> str:
    """How a rule is called."""
    return f"{engine.origin}: {rule.row} ({rule.kind})"


def is_in(proven: dict[str, list[Rule]], engine: Engine, rule: Rule) -> bool:
    """Whether the rule was fired in the engine's dialect; rules of error bodies are the same in several."""
    if rule in engine.dialect.failure:
        return any(rule in rules for rules in proven.values())
    return rule in proven[engine.dialect.name]


def every_rule() -> list[tuple[Engine, Rule]]:
    """Each rule of each dialect as each provider speaks it."""
    return [
        (engine, rule)
        for engine in spoken()
        for rule in all_rules((*engine.dialect.events, *engine.dialect.whole, *engine.dialect.failure))
    ]


def fired(captures: list[Capture]) -> dict[str, list[Rule]]:
    """The rules that say something of a capture, by dialect, each tried alone."""
    found: dict[str, list[Rule]] = {name: [] for name in DIALECTS}
    seen: set[tuple[str, int]] = set()
    for capture in captures:
        engine = engine_of(capture)
        for rules, value in read_by(engine, capture):
            for alone, rule in (pair for one in rules for pair in _alone(one)):
                key = engine.origin, id(rule)
                if key not in seen and said(alone, value):
                    seen.add(key)
                    found[engine.dialect.name].append(rule)
    return found


def read_by(engine: Engine, capture: Capture) -> Iterator[tuple[tuple[RuleLike, ...], Any]]:
    """Every payload of the capture as values, with the rules that read it."""
    decoder, payloads = engine.decoder, list[tuple[tuple[RuleLike, ...], bytes]]()
    if capture.status < 400:
        payloads += [(decoder.rules_for(event), data) for event, data in frames(capture, decoder)]
    if capture.status >= 400 or not capture.streaming:
        payloads.append((engine.dialect.failure, capture.body))
    for rules, data in payloads:
        try:
            yield rules, msgspec.json.decode(data)
        except msgspec.DecodeError:
            continue


def said(rule: RuleLike, value: Any) -> bool:
    """Whether the rule alone reads something in the value."""
    try:
        return bool(walk((rule,), value))
    except Mismatch:
        return False


def _alone(rule: RuleLike) -> list[tuple[RuleLike, Rule]]:
    """Each `emit` by itself, in the `each` that it stands in."""
    if isinstance(rule, Rule):
        return [(rule, rule)]
    return [(Each(rule.path, (inner,), rule.where, rule.on), leaf) for one in rule.rules for inner, leaf in _alone(one)]


@pytest.mark.slow
def test_every_event_is_read() -> None:
    """Every event in a capture is read by a rule or listed as ignored, but for the one that is there to be unknown."""
    unknown: dict[str, set[str]] = {}
    for capture in own():
        if capture.streaming and capture.status < 400:
            engine = fresh_engine_of(capture)
            read_stream(engine, capture, [capture.body])
            if engine.decoder.unknown:
                unknown[capture.key] = set(engine.decoder.unknown)
    assert unknown == {"anthropic/unknown_event_and_delta": {"harbour_bell"}}


@pytest.mark.parametrize("known", NAMES)
def test_captures_of_each(known: str) -> None:
    """Each provider has captures of our own: text, calls, an error before and inside the stream, an early end."""
    names = {capture.name for capture in own() if capture.provider == known}
    assert {"text", "tool_call", "error_before", "error_midstream", "cut_short", "whole_text"} <= names


def test_aliases() -> None:
    """Other names find the same tables, and nobody may take them without saying so."""
    for alias, known in providers.ALIASES.items():
        assert providers.get(alias) is providers.get(known)
        with pytest.raises(ConfigurationError, match="exists already"):
            register(msgspec.structs.replace(HARBOUR, name="mine", aliases=(alias,)))
    assert "mine" not in providers.names()


@pytest.mark.parametrize(
    ("build", "legal"),
    [
        (lambda: emit("txt", "a"), "text, reasoning"),
        (lambda: emit("text", "a", blok="b"), "text, block, signature"),
        (lambda: checked(_with(events=(emit("text", "a..b"),))), "not a path"),
        (lambda: checked(_with(events=(each("a[x", emit("text", "b")),))), "not a path"),
        (lambda: checked(_with(events=(emit("text", "a", where=("b[", 1)),))), "not a path"),
        (lambda: checked(_with(whole=(emit("text", "a", when=exists("b.")),))), "not a path"),
        (lambda: checked(_with(finish={"stop": "halt"})), "content_filter, error, length"),
        (lambda: checked(_with(structured={"": "natve"})), "native, prompt, tool"),
        (lambda: checked(_with(parts={TextBlock: inside({})})), "ImageBlock"),
        (lambda: checked(_with(usage={"prompt_tokens": count("promt")})), "completion, prompt"),
        (lambda: checked(_with(complete=("finsh",))), "[DONE], finish"),
        (lambda: checked(_with(drops=(drop("temprature", reason="x"),))), "temperature"),
        (lambda: checked(_with(drops=(drop("seed", reason="x", unless=("tol_choice", "auto")),))), "tool_choice"),
        (lambda: checked(_with(drops=(drop("seed", reason="x", beside="tol"),))), "tools"),
        (lambda: checked(_with(body={"m": take("modl")})), "model"),
        (lambda: checked(_with(body={"m": [when("strem", 1)]})), "stream"),
        (lambda: checked(_with(body={"m": by_model({"a": {"b": take("seeed")}})})), "seed"),
        (lambda: checked(_with(body={"m": take("seed", default=take("usr"))})), "user"),
        (lambda: checked(_with(body={"t": take("tools", each={"n": take("nam")})})), "name"),
        (lambda: checked(_with(message={"r": take("rol")})), "role"),
        (lambda: with_rows(OPENAI_CHAT, Rows(parts={TextBlock: inside({"text": take("txt")})})), "text"),
        (lambda: with_rows(OPENAI_CHAT, Rows(parts={ToolCall: by_role(user=apart(take("arg")))})), "arguments"),
        (lambda: with_rows(OPENAI_CHAT, Rows(parts={str: inside({})})), "TextBlock"),
        (lambda: with_rows(OPENAI_CHAT, Rows(events={"reasonin": None})), "reasoning"),
        (lambda: with_rows(OPENAI_CHAT, Rows(whole={"reasonin": None})), "reasoning"),
        (lambda: with_rows(OPENAI_CHAT, Rows(body={"max_completion_token": None})), "max_completion_tokens"),
        (lambda: with_rows(OPENAI_CHAT, Rows(takes=("sed",))), "seed, penalties"),
        (lambda: checked(_with(framing="ssee")), "did you mean 'sse'?"),
        (lambda: checked(_with(roles={"asistant": "model"})), "did you mean 'assistant'?"),
        (lambda: checked(_with(usage={"prompt_token": count("prompt")})), "did you mean 'prompt_tokens'?"),
        (lambda: checked(_with(response_headers=ResponseHeaders(limits={"limit_request": ()}))), "limit_requests"),
        (lambda: checked(_with(structured={"gpt-(": "native"})), "unterminated"),
        (lambda: checked(_with(drops=(drop("seed", reason="x", models="o["),))), "unterminated"),
        (lambda: checked(_with(errors=(fault(ProviderError, says="(a"),))), "unterminated"),
        (lambda: checked(_with(turns=Turns(call_ids="[a"))), "unterminated"),
        (lambda: checked(_with(turns=Turns(call_ids="[0-9]+"))), "24 hexadecimal digits"),
        (lambda: with_rows(OPENAI_CHAT, Rows(turns=Turns(after_results="(a"))), "unterminated"),
        (lambda: checked(_with(body={"m": {"n": by_model({"(": 1})}})), "unterminated"),
        (lambda: checked(_with(body={"t": take("tools", each={"n": by_model({"(": 1})})})), "unterminated"),
        (lambda: checked(_with(embeddings=Endpoint("/e", body={"i": take("text")}))), "did you mean 'texts'?"),
        (lambda: checked(_with(model_list=Endpoint("/m", items="data["))), "not a path"),
        (lambda: checked(_with(end="[DONE]")), "is not a tuple; write ('[DONE]',)"),
        (lambda: checked(_with(finish=("stop",))), "is not a mapping"),
        (lambda: providers.get("opanai"), "Did you mean 'openai'"),
    ],
)
def test_misspelt(build: Callable[[], object], legal: str) -> None:
    """A misspelt kind, field, path, value, word or row fails when the table is built, naming the legal ones."""
    with pytest.raises(ConfigurationError) as caught:
        build()
    assert legal in str(caught.value)


@pytest.mark.parametrize(
    "rows",
    [
        {"shared": Rows(body={"max_completion_token": None})},
        {"finish": {"stop": "halt"}},
        {"also": (Also(dialect=OPENAI_RESPONSES, events={"txt": None}),)},
        {"also": (Also(dialect=OPENAI_RESPONSES, models="gpt-("),)},
        {"env": "SKERRY_API_KEY"},
        {"takes": "seed"},
        {"takes": ("sed",)},
        {"key": "none"},
        {"shared": Rows(errors=fault(ProviderError, says="x"))},
    ],
)
def test_a_misspelt_table_is_refused_when_it_is_registered(rows: dict[str, Any]) -> None:
    """`register` refuses a wrong row of any dialect at once, names the provider, and the name stays free."""
    with pytest.raises(ConfigurationError, match=r"^skerry: ") as caught:
        register(Provider(name="skerry", dialect=OPENAI_CHAT, base_url=None, docs="https://skerry.example", **rows))
    assert caught.value.provider == "skerry"
    assert "skerry" not in providers.names()


COMMON = {"max_tokens", "temperature", "top_p", "stop", "tools", "tool_choice", "schema", "json_mode"}


@pytest.mark.parametrize(
    ("dialect", "common"),
    [(OPENAI_CHAT, COMMON), (OPENAI_RESPONSES, COMMON - {"stop"} | {"reasoning"})],
    ids=["openai_chat", "openai_responses"],
)
def test_a_family_opts_in(dialect: Dialect, common: set[str]) -> None:
    """A format that many servers speak holds only what all take; the rest a provider names in `takes`."""
    bare = Provider(name="skerry", dialect=dialect, base_url=None, docs="https://skerry.example")
    assert parameters(as_spoken(bare, bare)) & set(PARAMETERS) == common
    for bundle, rows in dialect.optional.items():
        taking = msgspec.structs.replace(bare, takes=(bundle,))
        more = {name.partition(".")[0] for name, _ in holes(rows)}
        assert parameters(as_spoken(taking, taking)) & set(PARAMETERS) == common | more


def test_bundles_are_joined() -> None:
    """A bundle adds to an object of the body, and bundles to each other's; a provider's own row replaces."""
    dialect = _with(body={"a": {"b": 1}}, optional={"x": {"a": {"c": {"d": 2}}}, "y": {"a": {"c": {"e": 3}}, "f": 4}})
    joined = with_rows(dialect, Rows(takes=("x", "y")))
    assert joined.body == {"a": {"b": 1, "c": {"d": 2, "e": 3}}, "f": 4}
    assert with_rows(dialect, Rows(takes=("x",), body={"a": 5})).body == {"a": 5}


def test_what_is_not_taken_may_be_taken_out() -> None:
    """A row that takes out what the provider's `takes` does not name changes nothing."""
    bare = Provider(name="skerry", dialect=OPENAI_CHAT, base_url=None, docs="https://skerry.example")
    out = msgspec.structs.replace(bare, body={"seed": None})
    assert as_spoken(out, out).body == as_spoken(bare, bare).body


def test_shared_rows() -> None:
    """`shared` rows stand in every dialect that a provider speaks, the dialect's own above them."""
    provider = Provider(
        name="skerry",
        dialect=OPENAI_CHAT,
        base_url=None,
        docs="https://skerry.example",
        finish={"over": "stop"},
        shared=Rows(finish={"over": "length", "ebb": "stop"}, prepare=(_quiet,)),
        prepare=(_same,),
        also=(Also(dialect=OPENAI_RESPONSES),),
    )
    chat, responses = dialects_of(provider)
    assert (chat.finish["over"], responses.finish["over"]) == ("stop", "length")
    assert chat.finish["ebb"] == responses.finish["ebb"] == "stop"
    assert (chat.prepare, responses.prepare) == ((_same, _quiet), (_quiet,))


def _same(request: ChatRequest) -> ChatRequest:
    return request


def _quiet(request: ChatRequest) -> ChatRequest:
    return msgspec.structs.replace(request, temperature=0)


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
async def test_a_provider_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """One table, one call, and it streams like the built-in ones."""
    monkeypatch.setattr(providers, "_registered", {})
    register(HARBOUR)
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


@pytest.mark.parametrize("frozen", [dict, OrderedDict, MappingProxyType])
def test_a_body_may_be_any_mapping(frozen: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """A template's objects are filled, and vanish when that leaves them empty, whatever kind of mapping they are."""
    body = frozen({"model": take("model"), "in": frozen({"side": [take("seed")]}), "kept": 1, "none": frozen({})})
    values = {"model": "m", "seed": 7}
    assert fill(body, values.get) == {"model": "m", "in": {"side": [7]}, "kept": 1, "none": {}}
    assert fill(body, {}.get) == {"kept": 1, "none": {}}


def test_refused_block() -> None:
    """A block that a provider cannot take raises before anything is sent, and says what would work."""
    client = LLMClient.create("cohere", model="command-a-03-2025", api_key="k")
    with pytest.raises(UnsupportedParameterError) as caught:
        client.plan([Message.user([AudioBlock("AAAA")])])
    assert caught.value.parameter == "AudioBlock"
    assert caught.value.provider == "cohere"
