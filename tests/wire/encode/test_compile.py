"""The generated functions and the walk over the tables are two implementations of one table: they write the same."""

from __future__ import annotations

import linecache
import re
import traceback
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.core.messages import Message
from miiflow_llm.core.request import ChatRequest
from miiflow_llm.tables.request_words import ByModel, Take, When, take
from miiflow_llm.tables.template import NOTHING, attribute, fill
from miiflow_llm.wire.encode.code import Code
from miiflow_llm.wire.encode.interpret import interpreted
from miiflow_llm.wire.encode.names import OfBody
from miiflow_llm.wire.encode.of_model import Choices
from miiflow_llm.wire.encode.request import encode
from miiflow_llm.wire.encode.templates import HELPERS, TemplateWriter
from miiflow_llm.wire.generated import run

from ...dialects.asking import engine
from ...dialects.features import WIRES
from ...two_writings import outcome, shown
from .drawn import requests

ENGINES = {wire: engine(provider, dialect) for wire, (provider, dialect, _) in WIRES.items()}


def halved(value: Any) -> Any:
    """A converter that has nothing to say of some values."""
    return value[: len(value) // 2] or None if isinstance(value, (str, list)) else None


leaves = st.sampled_from(["word", 1, 0, 1.5, True, None, (1, 2), {}, [], "", NOTHING])
names = st.sampled_from(["user", "stop", "top_k", "logprobs", "schema.name", "model"])
within = names | st.just(".")


def wider(templates: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Templates that hold others."""
    maybe = st.none() | templates
    return st.one_of(
        st.dictionaries(st.sampled_from(["a", "b", 'c"\n']), templates, max_size=3),
        st.lists(templates, max_size=3),
        st.builds(Take, names, st.sampled_from([None, halved, str]), st.none(), st.none(), maybe),
        st.builds(
            Take,
            names,
            st.sampled_from([None, halved]),
            st.dictionaries(st.sampled_from(["u1", 0, 7, True, ...]), maybe, max_size=3),
            st.none(),
            maybe,
        ),
        st.builds(Take, st.just("stop"), st.sampled_from([None, halved]), st.none(), templates, maybe),
        st.builds(When, within, templates, maybe),
        st.builds(ByModel, st.dictionaries(st.sampled_from(["gpt", "claude", ""]), maybe, max_size=2)),
    )


templates = st.recursive(leaves | st.builds(Take, within), wider, max_leaves=12)
calls = st.builds(
    ChatRequest,
    model=st.sampled_from(["gpt-4", "claude-5", "x"]),
    messages=st.just([]),
    user=st.sampled_from([None, "", "u1", "other"]),
    stop=st.sampled_from([None, [], ["a"], ["a", "b", "c"]]),
    top_k=st.sampled_from([None, 0, 7]),
    logprobs=st.sampled_from([None, False, True]),
)


@pytest.mark.slow
@settings(max_examples=600)
@given(templates, calls)
def test_a_template_is_filled_alike(template: Any, request: ChatRequest) -> None:
    """Whatever a template is made of, its lines give what `fill` gives, or raise what it raises."""
    choices = Choices(request.model, [])
    code = Code(**HELPERS)
    code.function("filled(request)")
    TemplateWriter(code, OfBody()).returned(choices.of(template))
    filled = run("drawn", code.source, code.constants)["filled"]
    assert tried(lambda: filled(request)) == tried(lambda: fill(template, lambda name: attribute(request, name)))


def tried(call: Any) -> Any:
    """What a call gives, in a form that tells 1 from true; or what it raises."""
    try:
        return repr(call())
    except (ConfigurationError, TypeError) as raised:
        return type(raised), str(raised)


@pytest.mark.slow
@pytest.mark.parametrize("wire", WIRES)
@settings(max_examples=15)
@given(st.data())
def test_requests_are_written_alike(wire: str, data: st.DataObject) -> None:
    """Any request is the same bytes, notes or error by both; parameters that are not taken are dropped or refused."""
    of = ENGINES[wire]
    request = data.draw(requests(wire))
    how: dict[str, Any] = {
        "origin": of.mark(request.model),
        "unsupported": data.draw(st.sampled_from(["raise", "drop", "drop"])),
    }
    by_hand = outcome(lambda: encode(of.dialect, lambda _: interpreted(of.dialect), request, **how))
    assert shown(outcome(lambda: encode(of.dialect, of.writers.of, request, **how))) == shown(by_hand)


def test_models_of_equal_choices_share_a_writer() -> None:
    """Names of models do not multiply functions: those that are written alike share them, others do not."""
    writers = engine("anthropic").writers
    assert writers.of("claude-opus-5").body is writers.of("claude-sonnet-5").body
    assert writers.of("claude-opus-5").body is not writers.of("claude-3-opus").body
    assert len({writers.of(f"model-{number}").body for number in range(1000)}) == 1


def test_tracebacks_show_the_source() -> None:
    """What goes wrong in a generated function shows its line."""
    writer = engine("mistral").writers.of("m")
    with pytest.raises(AttributeError) as caught:
        writer.message(SimpleNamespace(), False, ChatRequest(model="m", messages=[]))  # type: ignore[arg-type]
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert last.filename == "<table mistral/mistral_chat: write 1>"
    assert last.line == "v1 = shell.role" or "shell.role" in (last.line or "")
    assert "".join(linecache.getlines(last.filename)) == writer.source


def every_body() -> Iterator[tuple[str, str]]:
    """A function of each wire's own model."""
    return ((wire, ENGINES[wire].writers.of(model).source) for wire, (_, _, model) in WIRES.items())


def test_nothing_is_matched_while_writing() -> None:
    """The functions hold no pattern of a model: that choice is made before."""
    for wire, source in every_body():
        assert not {"re", "choose", "match"} & set(re.findall(r"\w+", source)), wire
        compile(source, wire, "exec")


def test_a_converter_keeps_its_name() -> None:
    """The table's own functions are called by their names, which no other value takes."""
    code = Code(**HELPERS)
    code.function("f(request)")
    body = {"a": take("user", through=halved), "b": take("user", through=lambda value: value + "!")}
    TemplateWriter(code, OfBody()).returned(body)
    assert "halved(" in code.source
    filled = run("drawn", code.source, code.constants)["f"]
    assert filled(ChatRequest(model="m", messages=[Message.user("x")], user="ab")) == {"a": "a", "b": "ab!"}
    assert msgspec.json.encode(filled(ChatRequest(model="m", messages=[], user="a"))) == b'{"b":"a!"}'
