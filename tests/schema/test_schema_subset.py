"""Schemas as wires take them: what is rewritten, what is told instead, and what cannot be said."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.core.request import OutputSchema
from miiflow_llm.dialects.schema_subsets import ANTHROPIC_STRICT, GEMINI_JSON_SCHEMA, OLLAMA_TOOL, OPENAI_STRICT
from miiflow_llm.schema.of_type import schema_of, wrap_root
from miiflow_llm.schema.refs import references, target
from miiflow_llm.schema.subset import SchemaSubset, rewrite
from miiflow_llm.schema.tools import Tool, tool

ALL = [OPENAI_STRICT, ANTHROPIC_STRICT, GEMINI_JSON_SCHEMA, OLLAMA_TOOL]
NAMES = ["openai", "anthropic", "gemini", "ollama"]
A = {"type": "object", "description": "an A", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
B = {"type": "object", "properties": {"y": {"type": "string"}}, "required": ["y"]}


def holder(schema: Any, **definitions: Any) -> dict[str, Any]:
    """An object whose member `a` follows the schema."""
    return {"type": "object", "properties": {"a": schema}, "required": ["a"], "$defs": definitions}


def member(schema: Any, subset: SchemaSubset, **definitions: Any) -> Any:
    """How a wire says the schema of a member, references looked up."""
    out = rewrite(holder(schema, **definitions), subset)
    found = out["properties"]["a"]
    while "$ref" in found:
        found = {**target(found["$ref"], out), **{key: value for key, value in found.items() if key != "$ref"}}
    return found


@pytest.mark.parametrize("subset", ALL, ids=NAMES)
def test_all_of_one(subset: SchemaSubset) -> None:
    """`allOf` of one is that one; words beside it stay."""
    found = member({"allOf": [{"$ref": "#/$defs/A"}]}, subset, A=A)
    assert found["properties"] == {"x": {"type": "integer"}}
    told = member({"allOf": [{"$ref": "#/$defs/A"}], "description": "mine"}, subset, A=A)
    assert "mine" in msgspec.json.encode(told).decode()


@pytest.mark.parametrize("subset", ALL, ids=NAMES)
def test_all_of_many(subset: SchemaSubset) -> None:
    """`allOf` of several is one object with the members of all, as closed objects could not be one another."""
    found = member({"allOf": [{"$ref": "#/$defs/A"}, B]}, subset, A=A)
    assert set(found["properties"]) == {"x", "y"}
    assert set(found["required"]) == {"x", "y"}
    assert "allOf" not in found


@dataclass
class Counted:
    """What is counted."""

    counts: list[dict[str, int]]


OPEN = [
    ({"type": "object", "additionalProperties": {"type": "integer"}}, "$.a"),
    ({"type": "object"}, "$.a"),
    ({"type": ["object", "null"], "patternProperties": {"^x": {"type": "integer"}}}, "$.a"),
    ({"type": "array", "items": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/D"}]}}, "$.a[].b"),
]


@pytest.mark.parametrize("subset", [OPENAI_STRICT, ANTHROPIC_STRICT], ids=NAMES[:2])
@pytest.mark.parametrize(("schema", "path"), OPEN)
def test_an_object_with_open_objects(schema: Any, path: str, subset: SchemaSubset) -> None:
    """A closed wire cannot say it, and the error names the place and what works."""
    inner = {"type": "object", "properties": {"b": {"type": "object", "additionalProperties": True}}}
    with pytest.raises(ConfigurationError) as caught:
        rewrite(holder(schema, D=inner), subset)
    assert f"{path}:" in str(caught.value)
    assert "list" in str(caught.value)


@pytest.mark.parametrize("subset", [GEMINI_JSON_SCHEMA, OLLAMA_TOOL], ids=NAMES[2:])
def test_open_objects_elsewhere(subset: SchemaSubset) -> None:
    """A wire that closes nothing takes it."""
    assert rewrite(schema_of(Counted), subset)["properties"]["counts"]["items"]["type"] == "object"


def body_of(provider: str, model: str, **given: Any) -> Any:
    """The body of a request, planned and not sent."""
    return LLMClient.create(provider, model, "k").plan("x", **given).body


@pytest.mark.parametrize(
    ("provider", "model", "place"),
    [
        ("openai", "gpt-4.1", lambda body: body["response_format"]["json_schema"]),
        ("mistral", "mistral-small-latest", lambda body: body["response_format"]["json_schema"]),
    ],
)
def test_open_objects_are_not_asked_for_strictly(provider: str, model: str, place: Callable[[Any], Any]) -> None:
    """The schema goes as it is and the wire's strictness is off; a closed one is strict."""
    said = place(body_of(provider, model, schema=Counted))
    assert said["strict"] is False
    assert said["schema"] == schema_of(Counted)
    assert place(body_of(provider, model, schema=list[int]))["strict"] is True
    given = OutputSchema("mine", B, strict=False)
    assert place(body_of(provider, model, schema=given))["strict"] is False


@tool(strict=True)
def count(counts: dict[str, int]) -> None:
    """Count."""


@pytest.mark.parametrize(("provider", "model"), [("openai", "gpt-4.1"), ("anthropic", "claude-sonnet-5-5")])
def test_open_objects_in_a_strict_tool(provider: str, model: str) -> None:
    """A strict tool that takes them says which it is; one that takes nothing at all is fine."""
    with pytest.raises(ConfigurationError, match=r"tool 'count'.*\$\.counts"):
        body_of(provider, model, tools=[count])
    assert body_of(provider, model, tools=[Tool("none", parameters={"type": "object"}, strict=True)])


def chain(length: int, width: int) -> dict[str, Any]:
    """Definitions that each use the next one `width` times."""
    definitions: dict[str, Any] = {
        f"D{at}": {
            "type": "object",
            "properties": {f"p{one}": {"$ref": f"#/$defs/D{at + 1}"} for one in range(width)},
        }
        for at in range(length)
    }
    return holder({"$ref": "#/$defs/D0"}, **definitions, **{f"D{length}": {"type": "string"}})


@pytest.mark.parametrize("schema", [chain(16, 2), chain(40, 4), chain(400, 1)], ids=["wide", "wider", "long"])
def test_inlining_is_bounded(schema: dict[str, Any]) -> None:
    """Definitions that would fill megabytes where they are used are an error, soon."""
    began = time.monotonic()
    with pytest.raises(ConfigurationError, match=r"definitions|deep"):
        rewrite(schema, ANTHROPIC_STRICT)
    assert time.monotonic() - began < 5
    assert len(msgspec.json.encode(rewrite(chain(4, 2), ANTHROPIC_STRICT))) < 10_000


def test_all_of_is_bounded() -> None:
    """Parts that each name the next twice are read once each."""
    twice = {f"D{at}": {"allOf": [{"$ref": f"#/$defs/D{at + 1}"}] * 2} for at in range(40)}
    assert set(member({"allOf": [{"$ref": "#/$defs/D0"}, B]}, OPENAI_STRICT, **twice, D40=A)["properties"]) == {
        "x",
        "y",
    }


def deep(levels: int) -> dict[str, Any]:
    """A schema with so many lists in one another."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def looped() -> dict[str, Any]:
    """A schema that holds itself."""
    schema: dict[str, Any] = {"type": "array"}
    schema["items"] = schema
    return schema


@pytest.mark.parametrize("schema", [deep(3000), holder(deep(3000)), looped()], ids=["deep", "inside", "looped"])
def test_depth_is_bounded(schema: dict[str, Any]) -> None:
    """A schema too deep to walk, or one that holds itself, is an error with a type, wherever it comes in."""
    for take in (schema_of, lambda one: Tool("t", parameters=one), lambda one: rewrite(one, OPENAI_STRICT)):
        with pytest.raises(ConfigurationError, match=r"deep"):
            take(schema)
    with pytest.raises(ConfigurationError, match=r"deep"):
        body_of("openai", "gpt-4.1", schema=OutputSchema("deep", schema))
    assert rewrite(holder(deep(20)), OPENAI_STRICT)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "array", "items": {"$ref": "#"}}, {"type": "array", "items": {"$ref": "#/$defs/root"}}),
        (
            {"anyOf": [{"type": "string"}, {"$ref": "#/anyOf/0"}], "$defs": {"root": {"$ref": "#"}}},
            {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/root_2/anyOf/0"}]},
        ),
    ],
)
def test_a_root_that_is_referred_to(schema: dict[str, Any], value: dict[str, Any]) -> None:
    """A wrapped root becomes a definition, and what meant it means it still."""
    wrapped, key = wrap_root(schema)
    assert key == "value"
    reference = wrapped["properties"]["value"]["$ref"]
    assert target(reference, wrapped) == value
    assert all(target(one, wrapped) is not None for one in references(wrapped))
    assert "#" not in references(wrapped)


def test_old_spelling() -> None:
    """`definitions` are definitions, wrapped and rewritten; a root that is a reference is what it means."""
    old = {"type": "array", "items": {"$ref": "#/definitions/A"}, "definitions": {"A": A}}
    wrapped, _ = wrap_root(old)
    assert target(wrapped["properties"]["value"]["items"]["$ref"], wrapped)["required"] == ["x"]
    held = {**holder({"type": "array", "items": {"$ref": "#/definitions/A"}}), "definitions": {"A": A}}
    out = rewrite(held, OPENAI_STRICT)
    assert target(out["properties"]["a"]["items"]["$ref"], out)["additionalProperties"] is False
    root = rewrite({"$ref": "#/$defs/A", "$defs": {"A": A}}, OPENAI_STRICT)
    assert root["properties"] == {"x": {"type": "integer"}}


@pytest.mark.parametrize("pattern", ["^(?=a)b$", "a(?!b)", "(?<=a)b", "(?<!a)b"])
def test_look_around(pattern: str) -> None:
    """Patterns that look around are told to OpenAI's models in words; others are said."""
    found = member({"type": "string", "pattern": pattern}, OPENAI_STRICT)
    assert found == {"type": "string", "description": f"pattern: {pattern}"}
    assert member({"type": "string", "pattern": "^(?:a|b)$"}, OPENAI_STRICT)["pattern"] == "^(?:a|b)$"


ANY = {"type": ["string", "number", "boolean", "null"]}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (schema_of(list[Any]), {"type": "array", "items": ANY}),
        ({"type": "array", "items": {}}, {"type": "array", "items": ANY}),
        ({"type": ["array", "null"], "items": True}, {"type": ["array", "null"], "items": ANY}),
        ({}, ANY),
        ({"description": "d"}, {"description": "d", **ANY}),
        ({"const": "x"}, {"type": "string", "const": "x"}),
    ],
)
def test_a_type_everywhere(schema: Any, said: Any) -> None:
    """Under OpenAI's strict mode every schema has a type: one that says nothing takes any scalar."""
    assert member(schema, OPENAI_STRICT) == said


def test_a_tuple() -> None:
    """Where elements cannot be told apart, each may be any of them, and the words say which is where."""
    found = member(schema_of(tuple[int, str]), OPENAI_STRICT)
    assert found["items"] == {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    assert found["description"].startswith("prefixItems: ")
    assert member(schema_of(tuple[int, int]), ANTHROPIC_STRICT)["items"] == {"type": "integer"}
    assert "prefixItems" in member(schema_of(tuple[int, str]), GEMINI_JSON_SCHEMA)


def test_recursion_where_all_is_inlined() -> None:
    """A schema that refers to its root cannot be put where it is used, where the wire is strict."""
    with pytest.raises(ConfigurationError, match="within itself"):
        rewrite(holder({"$ref": "#"}), ANTHROPIC_STRICT)
    with pytest.raises(ConfigurationError, match=r"tool 'f'.*leave out strict=True"):
        rewrite(holder({"$ref": "#"}), ANTHROPIC_STRICT, of="tool 'f'")


def test_recursion_on_a_loose_wire() -> None:
    """Where the wire is not strict a definition within itself is said as far as its type, once."""
    node = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Node"}}}}
    found = member({"$ref": "#/$defs/Node"}, OLLAMA_TOOL, Node=node)
    assert found["properties"]["kids"]["items"] == {"type": "object", "description": "Node, as above"}
    either = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/$defs/Either"}}]}
    found = member({"$ref": "#/$defs/Either"}, OLLAMA_TOOL, Either=either)
    assert found["anyOf"][1]["items"] == {"description": "Either, as above"}
