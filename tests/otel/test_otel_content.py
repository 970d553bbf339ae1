"""What a span says of tools and their calls, whatever these are."""

from __future__ import annotations

import msgspec
import pytest

from miiflow_llm.core.messages import Message, ToolCall
from miiflow_llm.core.request import HostedTool, ToolSpec
from miiflow_llm.otel.content import input_messages, tool_definitions


def test_functions_alone_are_defined() -> None:
    """A tool that the provider runs itself is no function that the model might call."""
    tools = [ToolSpec("now", "The time."), HostedTool("", payload={"type": "web_search"})]
    assert [tool["name"] for tool in msgspec.json.decode(tool_definitions(tools))] == ["now"]


@pytest.mark.parametrize(
    ("arguments", "shown"), [('{"a":1}', {"a": 1}), ("[" * 100_000, "[" * 100_000), ("", {}), ("M 0 0", "M 0 0")]
)
def test_arguments(arguments: str, shown: object) -> None:
    """Arguments are shown as values, what is no JSON or too deep as it came."""
    message = Message.assistant(tool_calls=[ToolCall("c", "now", arguments)])
    (said,) = msgspec.json.decode(input_messages([message]))
    assert said["parts"][0]["arguments"] == shown
