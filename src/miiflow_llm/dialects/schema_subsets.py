"""The subsets of JSON Schema that the wires take, as tables for `schema.subset`; each names its source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.request import OutputSchema, ToolSpec
from ..schema.subset import SchemaSubset, rewrite

_BASE = frozenset(
    ("type", "description", "enum", "anyOf", "properties", "required", "items", "additionalProperties", "$ref", "$defs")
)
_LIMITS = frozenset(
    (
        "minLength",
        "maxLength",
        "pattern",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "format",
        "default",
        "examples",
        "prefixItems",
    )
)
_FORMATS = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"))

OPENAI_STRICT = SchemaSubset(
    keep=_BASE
    | {"const", "pattern", "format", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
    | {"minItems", "maxItems"},
    told=_LIMITS,
    formats=_FORMATS,
    closed=True,
    all_required=True,
    any_of=True,
    lone_refs=True,
    typed=True,
    no_look_around=True,
)
"""Structured outputs and strict functions: platform.openai.com/docs/guides/structured-outputs, supported schemas."""

ANTHROPIC_STRICT = SchemaSubset(
    keep=_BASE | {"const", "format", "title"},
    told=_LIMITS,
    formats=_FORMATS | {"uri"},
    closed=True,
    any_of=True,
    inline=True,
    max_optional=24,
    max_unions=16,
)
"""`output_config.format` and strict tools: platform.claude.com structured outputs, JSON Schema limitations."""

GEMINI_JSON_SCHEMA = SchemaSubset(
    keep=_BASE
    | {"$id", "$anchor", "format", "title", "prefixItems", "minItems", "maxItems", "minimum", "maximum", "oneOf"}
    | {"propertyOrdering"},
    told=_LIMITS,
    enum_for_const=True,
    lone_refs=True,
)
"""`responseJsonSchema` and `parametersJsonSchema`: ai.google.dev/api/generate-content, supported keywords."""

OLLAMA_TOOL = SchemaSubset(
    keep=frozenset(("anyOf", "type", "items", "description", "enum", "properties", "required")),
    told=_LIMITS,
    any_of=True,
    enum_for_const=True,
    inline=True,
)
"""A tool's parameters: the keys that ollama's api/types.go keeps."""


def openai_output(output: OutputSchema) -> dict[str, Any]:
    """The schema of an answer for OpenAI's strict mode; as it is if strictness is not asked for."""
    return rewrite(output.schema, OPENAI_STRICT) if output.strict else output.schema


def openai_parameters(tool: ToolSpec) -> dict[str, Any] | None:
    """A tool's parameters, rewritten if the tool is strict; `None` if it has none."""
    return _strict(tool, OPENAI_STRICT) if tool.strict and tool.parameters else tool.parameters


def openai_function(tool: ToolSpec) -> dict[str, Any]:
    """A tool's parameters, for wires that demand some: an object without members for a tool that takes nothing."""
    return openai_parameters(tool) or {"type": "object", "properties": {}}


def anthropic_output(output: OutputSchema) -> dict[str, Any]:
    """The schema of an answer for Anthropic's output format, which is always strict."""
    return rewrite(output.schema, ANTHROPIC_STRICT)


def anthropic_function(tool: ToolSpec) -> dict[str, Any]:
    """A tool's parameters, rewritten if the tool is strict."""
    if tool.strict and tool.parameters:
        return _strict(tool, ANTHROPIC_STRICT)
    return tool.parameters or {"type": "object", "properties": {}}


def _strict(tool: ToolSpec, subset: SchemaSubset) -> dict[str, Any]:
    parameters = tool.parameters
    if parameters == {"type": "object"}:  # of a tool, an object that says no more is one without members
        parameters = {"type": "object", "properties": {}}
    return rewrite(parameters or {}, subset, of=f"tool {tool.name!r}")


def gemini_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema for Gemini."""
    return rewrite(schema, GEMINI_JSON_SCHEMA)


def ollama_tool(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A tool's parameters for Ollama, whose server drops all else in silence."""
    return rewrite(schema, OLLAMA_TOOL)
