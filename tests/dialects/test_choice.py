"""What is said of tools is checked against those that there are, before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from miiflow_llm import LLMClient, Message
from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.schema.tools import Tool

NOW = Tool("now")


def body(messages: Any = "x", **parameters: Any) -> dict[str, Any]:
    """What OpenAI would be sent."""
    found = LLMClient.create("openai", "gpt-4.1", "k").plan(messages, **parameters).body
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"tools": [NOW], "tool_choice": "nwo"}, "'nwo' is not among the tools: now"),
        ({"tool_choice": "required"}, "there are no tools"),
        ({"tool_choice": "now"}, "there are no tools"),
        ({"tools": NOW}, "a list of tools is needed"),
        ({"tools": {"name": "now"}}, "a list of tools is needed"),
        ({"tools": "now"}, "a list of tools is needed"),
        ({"stop": 3}, "a list of strings is needed"),
    ],
    ids=str,
)
def test_refused(parameters: dict[str, Any], words: str) -> None:
    """A choice of a tool that is not there, and one thing where several are meant, are errors that say so."""
    with pytest.raises(ConfigurationError, match=words):
        body(**parameters)


@pytest.mark.parametrize(
    "parameters", [{"tool_choice": "auto"}, {"tool_choice": "none"}, {"parallel_tool_calls": False}]
)
@pytest.mark.parametrize("tools", [None, []])
def test_without_tools(parameters: dict[str, Any], tools: Any) -> None:
    """What means nothing without tools is not sent: the provider would refuse it."""
    assert body(tools=tools, **parameters) == body()
    assert next(iter(parameters)) in body(tools=[NOW], **parameters)


def test_names_that_are_not_looked_at() -> None:
    """A tool that the provider runs, or that is in `extra_body`, may be chosen by a name that is not known here."""
    hosted = {"type": "web_search_20250305", "name": "web_search"}
    client = LLMClient.create("anthropic", "claude-haiku-4-5", "k")
    plan = client.plan("x", tools=[NOW, hosted], tool_choice="web_search")
    assert (plan.body or {})["tool_choice"] == {"type": "tool", "name": "web_search"}
    own = {"tools": [{"type": "function", "function": {"name": "mine"}}]}
    assert body(tool_choice="required", extra_body=own)["tool_choice"] == "required"


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("messages", ["", [""]])
def test_nothing_to_say(provider: str, messages: Any) -> None:
    """An empty question is an error here, whoever is asked."""
    with pytest.raises(ConfigurationError, match="messages is empty"):
        LLMClient.create(provider, "claude-haiku-4-5", "k").plan(messages)


def test_nothing_left_to_say() -> None:
    """Where every message is left out there is nothing to send."""
    with pytest.raises(ConfigurationError, match="nothing that could be sent"):
        LLMClient.create("gemini", "gemini-3.8-flash", "k").plan([Message.user(""), Message.assistant("")])
