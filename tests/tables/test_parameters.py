"""A parameter is declared once, in `ChatRequest`: whatever else lists parameters holds the same ones."""

from __future__ import annotations

from typing import Any, get_type_hints

import msgspec
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.calls.parameters import NAMES, OF_THE_CLIENT, Parameters
from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.core.messages import Message
from miiflow_llm.core.request import OF_A_CALL, PARAMETERS, ChatRequest, OutputSchema, ToolSpec, declared
from miiflow_llm.otel import instrumentation
from miiflow_llm.web.body import SERVICES_OWN, ChatBody, Limits, read_body
from miiflow_llm.web.safe_errors import Rejected

WIDER: dict[str, Any] = {
    "stop": "a string too",
    "tools": "functions and types too",
    "schema": "a type too",
    "tool_choice": "the legal words for type checkers, and tools",
    "reasoning": "the legal words for type checkers",
    "verbosity": "the legal words for type checkers",
}
"""Keyword arguments whose types are others than those that the request holds."""

VALUES: dict[str, Any] = {
    "model": "m",
    "max_tokens": 9,
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 40,
    "stop": ["END"],
    "seed": 7,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.2,
    "logprobs": True,
    "top_logprobs": 2,
    "tools": [{"name": "now"}],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning": "low",
    "verbosity": "low",
    "schema": {"type": "object"},
    "json_mode": True,
    "user": "u1",
    "service_tier": "auto",
    "metadata": {"a": "b"},
    "extra_body": {"a": 1},
    "extra_headers": {"x-a": "1"},
}
"""A value of each."""

NO_ATTRIBUTE = {
    "logprobs",
    "top_logprobs",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "verbosity",
    "user",
    "service_tier",
    "metadata",
}
"""Parameters that the conventions of telemetry have no attribute of the request for."""


def test_keyword_arguments() -> None:
    """The keyword arguments of a call are the parameters, of the same types."""
    hints = get_type_hints(Parameters)
    assert set(OF_A_CALL) == set(VALUES)
    assert set(NAMES) == {*OF_A_CALL, *OF_THE_CLIENT}
    for name in OF_A_CALL:
        assert name in WIDER or hints[name] == declared(name).type | None, name


@pytest.mark.parametrize("name", OF_A_CALL)
def test_words(name: str) -> None:
    """Each parameter has a sentence of words, and the help of a call shows it."""
    words = declared(name).words
    assert words[:1].isupper() or words[:1] == "`"
    assert words.endswith(".")
    assert f"{name}: {words}" in (Parameters.__doc__ or "")


@pytest.mark.parametrize("name", OF_A_CALL)
def test_browsers(name: str) -> None:
    """A browser may give every parameter but those that are the service's own."""
    body = msgspec.json.encode({"messages": [{"role": "user", "content": "Hi"}], name: VALUES[name]})
    if name in SERVICES_OWN:
        with pytest.raises(Rejected, match=name):
            read_body(body, Limits())
        return
    order = read_body(body, Limits())
    assert name in (order.parameters if name != "model" else ChatBody.__struct_fields__)


def test_telemetry() -> None:
    """Each parameter is an attribute of the span, or named among those that the conventions have none for."""
    typed = {**VALUES, "tools": [ToolSpec("now")], "schema": OutputSchema("t", {})}
    silent = set()
    for name in PARAMETERS:
        bare = ChatRequest(model="m", messages=[Message.user("Hi")])
        if instrumentation.settings(msgspec.structs.replace(bare, **{name: typed[name]})) == instrumentation.settings(
            bare
        ):
            silent.add(name)
    assert silent == NO_ATTRIBUTE


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("system", r"Message\.system"),
        ("instructions", r"Message\.system"),
        ("thinking", "reasoning"),
        ("stop_sequences", "stop"),
        ("max_output_tokens", "max_tokens"),
        ("max_completion_tokens", "max_tokens"),
        ("reasoning_effort", "reasoning"),
        ("response_format", "schema"),
        ("functions", "tools"),
        ("function_call", "tool_choice"),
        ("fallbacks", "Router"),
        ("n", "several calls"),
        ("temprature", "did you mean temperature"),
        ("zzz", "extra_body"),
    ],
)
def test_other_words(name: str, words: str) -> None:
    """A vendor's word for a parameter, or a misspelt one, is an error that says what to write."""
    client = LLMClient.create("openai", "gpt-4.1", "k")
    with pytest.raises(ConfigurationError, match=f"{name} is not a parameter of a call: .*{words}"):
        client.plan("Hi", **{name: 1})
