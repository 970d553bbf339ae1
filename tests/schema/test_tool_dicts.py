"""Tools, choices and schemas as dicts: of OpenAI, Anthropic and MCP; what servers refuse in a schema is mended."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.core.request import ToolSpec
from miiflow_llm.replay.fake import fake_pair
from miiflow_llm.replay.server import ReplayServer
from miiflow_llm.schema.mended import mended, mended_parameters
from miiflow_llm.schema.tools import Tool, as_tool

PARAMETERS = {"type": "object", "properties": {"port": {"type": "string"}}, "required": ["port"]}
WIRES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "openai": ("gpt-4.1", lambda body: body["tools"][0]["function"]["parameters"]),
    "anthropic": ("claude-sonnet-5-5", lambda body: body["tools"][0]["input_schema"]),
    "gemini": ("gemini-3.8-flash", lambda body: body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"]),
    "mistral": ("mistral-small-latest", lambda body: body["tools"][0]["function"]["parameters"]),
    "cohere": ("command-a-03-2025", lambda body: body["tools"][0]["function"]["parameters"]),
    "ollama": ("qwen3", lambda body: body["tools"][0]["function"]["parameters"]),
    "bedrock": ("amazon.nova-pro-v1:0", lambda body: body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"]),
    "azure": ("gpt-4.1", lambda body: body["tools"][0]["function"]["parameters"]),
    "groq": ("openai/gpt-oss-120b", lambda body: body["tools"][0]["function"]["parameters"]),
    "ai21": ("jamba-mini", lambda body: body["tools"][0]["function"]["parameters"]),
}


def plan(provider: str, **parameters: Any) -> Any:
    """The body that the provider would be sent."""
    made = LLMClient.create(provider, WIRES[provider][0], "k", base_url="http://127.0.0.1:9", region=None)
    return made.plan("x", **parameters).body


FORMS = [
    {"type": "function", "function": {"name": "tide", "description": "When?", "parameters": PARAMETERS}},
    {"type": "function", "name": "tide", "description": "When?", "parameters": PARAMETERS, "strict": None},
    {"name": "tide", "description": "When?", "input_schema": PARAMETERS},
    {"type": "custom", "name": "tide", "description": "When?", "input_schema": PARAMETERS},
    {"name": "tide", "description": "When?", "inputSchema": PARAMETERS},
    {
        "name": "tide",
        "title": "Tides",
        "description": "When?",
        "inputSchema": PARAMETERS,
        "outputSchema": {"type": "object"},
        "annotations": {"readOnlyHint": True},
        "_meta": {"x": 1},
    },
    types.SimpleNamespace(name="tide", description="When?", inputSchema=PARAMETERS, annotations=None),
]


@pytest.mark.parametrize("provider", WIRES)
@pytest.mark.parametrize("form", FORMS, ids=range(len(FORMS)))
def test_forms(form: Any, provider: str) -> None:
    """A tool is taken in the form of every API, MCP's as dict and as object too, and goes to every provider."""
    made = as_tool(form)
    assert (made.name, made.description, made.parameters) == ("tide", "When?", PARAMETERS)
    assert WIRES[provider][1](plan(provider, tools=[form]))["properties"] == PARAMETERS["properties"]


def test_a_title_where_there_is_no_description() -> None:
    """MCP's title is better than no words."""
    assert as_tool({"name": "tide", "title": "Tides", "inputSchema": PARAMETERS}).description == "Tides"


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ({"name": "f", "inputschema": PARAMETERS}, "'inputschema'; did you mean 'inputSchema'"),
        ({"name": "f", "parameter": PARAMETERS}, "did you mean 'parameters'"),
        ({"name": "f", "desciption": "x"}, "did you mean 'description'"),
        ({"type": "function", "function": {"name": "f", "params": {}}}, "'params'"),
        ({"type": "function", "function": {"name": "f"}, "strict": True}, "'strict'"),
        ({"functoin": {"name": "f"}}, "did you mean"),
        ({"name": "f", "title": "F", "parameters": PARAMETERS}, "'title'"),
        ({"name": "f", "parameters": PARAMETERS, "input_schema": PARAMETERS}, "the same"),
        ({"name": "f", "parameters": {"type": "array"}}, "an object"),
        ({"name": "f", "parameters": {"properties": {"a": {"type": "str"}}}}, "did you mean 'string'"),
        ({"name": "f", "parameters": {"properties": {"a": {"type": int}}}}, "did you mean 'integer'"),
        ({"name": "f", "parameters": {"properties": {"a": {"type": ["None", "string"]}}}}, "'None' is not a type"),
        ({"name": "f", "parameters": [1]}, "a dict, not a list"),
        ({"type": "function", "function": "f"}, "not a str"),
        (3, "not a tool"),
    ],
    ids=str,
)
def test_what_is_not_known(tool: Any, words: str) -> None:
    """What a tool as a dict has too much, or wrong, is an error with its place and the nearest legal key."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        LLMClient.create("openai", "gpt-4.1", "k").plan("x", tools=[lambda_tool, tool])
    assert caught.value.message.startswith("tools[1]: ")


def lambda_tool(x: int) -> int:
    """A tool that is right."""
    return x


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (None, {"type": "object", "properties": {}}),
        ({}, {"type": "object", "properties": {}}),
        ({"type": "object"}, {"type": "object", "properties": {}}),
        ({"type": "object", "properties": None}, {"type": "object", "properties": {}, "additionalProperties": True}),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}},
        ),
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
        (
            {"type": "object", "properties": {"a": {"type": "array"}, "b": {"type": ["array", "null"]}}},
            {
                "type": "object",
                "properties": {"a": {"type": "array", "items": {}}, "b": {"type": ["array", "null"], "items": {}}},
            },
        ),
        (
            {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}}}},
            {
                "type": "object",
                "properties": {
                    "a": {
                        "type": "array",
                        "items": {"type": "object", "properties": {}, "additionalProperties": True},
                    }
                },
            },
        ),
        (
            {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": {"type": "array"}}}},
            {
                "type": "object",
                "properties": {
                    "a": {
                        "type": "object",
                        "additionalProperties": {"type": "array", "items": {}},
                    }
                },
            },
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string", "required": True}}, "required": ["b"]},
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string", "required": False}}, "required": None},
            {"type": "object", "properties": {"a": {"type": "string"}}},
        ),
        (
            {"type": "object", "properties": {"required": {"type": "string"}}, "required": ["required"]},
            {"type": "object", "properties": {"required": {"type": "string"}}, "required": ["required"]},
        ),
        (
            {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"l": {"type": "array"}}}}},
            {
                "$ref": "#/$defs/A",
                "$defs": {"A": {"type": "object", "properties": {"l": {"type": "array", "items": {}}}}},
            },
        ),
        (
            {"type": "object", "properties": {"a": {"anyOf": [{"type": "array"}, {"type": "null"}]}}},
            {
                "type": "object",
                "properties": {"a": {"anyOf": [{"type": "array", "items": {}}, {"type": "null"}]}},
            },
        ),
    ],
)
def test_what_servers_miss(given: Any, sent: dict[str, Any]) -> None:
    """Objects get properties, lists items, wherever they stand; mended twice is mended once; the caller's stays so."""
    before = repr(given)
    assert mended_parameters(given, "a tool") == sent
    assert mended_parameters(sent, "a tool") == sent
    assert repr(given) == before


def listed(values: list, table: dict, anything: Any = None) -> None:  # type: ignore[type-arg]
    """Take bare containers."""


@pytest.mark.parametrize("provider", WIRES)
def test_bare_containers(provider: str) -> None:
    """A bare `list` goes with items to every provider, be it of a function, a `Tool`, a dict or a `ToolSpec`."""
    raw = {"type": "object", "properties": {"values": {"type": "array"}}}
    for tool in (listed, Tool("t", parameters=raw), {"name": "t", "parameters": raw}, ToolSpec("t", "", raw)):
        sent = WIRES[provider][1](plan(provider, tools=[tool]))
        assert sent["properties"]["values"]["type"] == "array"
        assert "items" in sent["properties"]["values"]


def test_an_open_object_stays_open() -> None:
    """An object whose members are not named stays one of any members, which a strict tool cannot have."""
    made = Tool.from_function(listed)
    assert made.parameters["properties"]["table"]["additionalProperties"] is True
    with pytest.raises(ConfigurationError, match="members of any name"):
        plan("openai", tools=[Tool("t", parameters=made.parameters, strict=True)])


def test_schemas_of_answers() -> None:
    """A schema of an answer is mended and looked at in the same way."""
    body = plan("openai", schema={"type": "object", "properties": {"a": {"type": "array"}}, "required": ["a"]})
    assert body["response_format"]["json_schema"]["schema"]["properties"]["a"]["items"] == {}
    with pytest.raises(ConfigurationError, match="schema: 'strng' is not a type of JSON Schema; did you mean 'string'"):
        plan("openai", schema={"type": "object", "properties": {"a": {"type": "strng"}}})
    assert mended({"type": "string"}, "x") == {"type": "string"}


SCHEMA = {"type": "object", "properties": {"port": {"type": "string"}}, "required": ["port"]}


@pytest.mark.parametrize(
    ("given", "name", "strict"),
    [
        ({"type": "json_schema", "json_schema": {"name": "tide", "schema": SCHEMA, "strict": True}}, "tide", True),
        ({"type": "json_schema", "json_schema": {"name": "tide", "schema": SCHEMA}}, "tide", False),
        ({"type": "json_schema", "name": "tide", "schema": SCHEMA, "strict": True}, "tide", True),
        ({"type": "json_schema", "schema": SCHEMA, "description": "A tide."}, "answer", False),
    ],
    ids=["chat", "not strict", "responses", "bare"],
)
def test_openais_schemas(given: Any, name: str, strict: bool) -> None:
    """`schema=` takes what OpenAI's users give as `response_format`, with its name, its words and its strictness."""
    sent = plan("openai", schema=given)["response_format"]["json_schema"]
    assert (sent["name"], sent["strict"]) == (name, strict)
    assert sent["schema"]["properties"] == SCHEMA["properties"]
    assert sent["schema"].get("description") == given.get("description")
    assert plan("anthropic", schema=given)["output_config"]["format"]["schema"]["properties"] == SCHEMA["properties"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"type": "json_schema", "json_schema": {"name": "x", "shema": SCHEMA}}, "did you mean 'schema'"),
        ({"type": "json_schema", "json_schema": {"name": "x"}}, "needs a schema"),
        ({"type": "json_object", "schema": SCHEMA}, "'schema'"),
        ({"type": "text"}, "leave it out"),
    ],
)
def test_wrong_formats(given: Any, words: str) -> None:
    """What such a dict lacks or has too much is said."""
    with pytest.raises(ConfigurationError, match=words):
        plan("openai", schema=given)


@pytest.mark.anyio
@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic_messages", "ollama_chat"])
async def test_any_json(dialect: str) -> None:
    """`{"type": "json_object"}` asks for JSON by the wire's own mode, or in words, and the object comes out."""
    captures = fake_pair(dialect, text='Here: {"port": "Oban"}')
    provider = captures[0].provider
    async with ReplayServer(captures, match=("streaming",)) as server:
        async with LLMClient.create(provider, "m", "k", base_url=server.url_for(provider)) as client:
            whole = await client.chat("x", schema={"type": "json_object"})
            chunks = [chunk async for chunk in client.stream_with_schema("x", {"type": "json_object"})]
            body = client.plan("x", schema={"type": "json_object"}).body or {}
    assert whole.structured_output == chunks[-1].structured_output == {"port": "Oban"}
    if dialect == "openai_chat":
        assert body["response_format"] == {"type": "json_object"}
    if dialect == "ollama_chat":
        assert body["format"] == "json"


def tide(port: str) -> str:
    """When?"""
    return port


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ({"type": "function", "function": {"name": "tide"}}, {"type": "function", "function": {"name": "tide"}}),
        ({"type": "function", "name": "tide"}, {"type": "function", "function": {"name": "tide"}}),
        ({"type": "tool", "name": "tide"}, {"type": "function", "function": {"name": "tide"}}),
        ({"type": "any"}, "required"),
        ({"type": "auto"}, "auto"),
        (tide, {"type": "function", "function": {"name": "tide"}}),
        (Tool.from_function(tide), {"type": "function", "function": {"name": "tide"}}),
    ],
)
def test_choices(choice: Any, sent: Any) -> None:
    """A choice may be a provider's own dict, or the tool itself."""
    assert plan("openai", tools=[tide], tool_choice=choice)["tool_choice"] == sent
    with pytest.raises(ConfigurationError, match="tool_choice"):
        plan("openai", tools=[tide], tool_choice={"type": "function"})
