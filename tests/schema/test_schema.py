"""Types as schemas, schemas as wires take them, and answers as values of the type."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import ParsingError
from miiflow_llm.dialects.schema_subsets import ANTHROPIC_STRICT, GEMINI_JSON_SCHEMA, OLLAMA_TOOL, OPENAI_STRICT
from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.server import ReplayServer
from miiflow_llm.schema.conform import conformed
from miiflow_llm.schema.of_type import name_of, schema_of, wrap_root
from miiflow_llm.schema.partial_json import NOTHING, PartialJSON
from miiflow_llm.schema.subset import rewrite
from miiflow_llm.schema.to_type import decode_as


class Mood(enum.Enum):
    """A mood."""

    GOOD = "good"
    BAD = "bad"


@dataclass
class Item:
    """A thing."""

    name: str
    price: float = 0.0


@dataclass
class Report:
    """What the model is asked for."""

    mood: Mood
    items: list[Item]
    note: str | None = None
    kind: Literal["a", "b"] = "a"
    counts: dict[str, int] = field(default_factory=dict)


class Entry(msgspec.Struct):
    """A tree."""

    value: int
    kids: list[Entry] = []


class Row(TypedDict, total=False):
    """A row."""

    a: int


def test_schemas() -> None:
    """Dataclasses, Structs, TypedDicts and generics have schemas; a root that is no object is wrapped."""
    assert schema_of(Report)["properties"]["items"] == {"type": "array", "items": {"$ref": "#/$defs/Item"}}
    assert schema_of(Entry)["$defs"]["Entry"]["properties"]["kids"]["items"] == {"$ref": "#/$defs/Entry"}
    assert schema_of(Row)["properties"] == {"a": {"type": "integer"}}
    assert schema_of({"type": "object"}) == {"type": "object"}
    wrapped, key = wrap_root(schema_of(list[Item]))
    assert key == "value"
    assert wrapped["properties"]["value"]["items"] == {"$ref": "#/$defs/Item"}
    assert "Item" in wrapped["$defs"]
    assert name_of(list[Item]) == "list_Item"
    assert name_of(int | None) == "UnionType_int_NoneType"


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (Item, '{"name":"x","price":1}', Item("x", 1.0)),
        (list[int], "[1,2]", [1, 2]),
        (int | str, '"a"', "a"),
        (Mood, '"bad"', Mood.BAD),
        (Row, '{"a":1}', {"a": 1}),
        (Entry, '{"value":1,"kids":[{"value":2}]}', Entry(1, [Entry(2)])),
        ({"type": "object"}, '{"x":[1]}', {"x": [1]}),
        (str, '"\\ud800x"', "\ufffdx"),
    ],
)
def test_decode_as(type_: Any, text: str, value: Any) -> None:
    """JSON becomes a value of the caller's own type, from text or UTF-8."""
    assert decode_as(type_, text) == value
    assert decode_as(type_, text.encode()) == value


def test_pydantic() -> None:
    """Pydantic models work where pydantic is, alone and inside other types."""
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Gull", name=(str, ...), wings=(int, 2))
    assert schema_of(model)["properties"]["name"]["type"] == "string"
    assert decode_as(model, '{"name":"x"}').wings == 2
    assert decode_as(list[model], '[{"name":"x"}]')[0].name == "x"  # type: ignore[valid-type]
    with pytest.raises(ParsingError) as caught:
        decode_as(model, '{"name":"x","wings":"many"}')
    assert caught.value.path == "$.wings"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"mood":"good","items":[{"name":1}]}', "$.items[0].name"),
        ('{"mood":"so-so","items":[]}', "$.mood"),
        ('{"mood":"good"', "$"),
        ("", "$"),
        ("[" * 100_000, "$"),
        ('{"mood":"good","items":[],"counts":{"a":1e999}}', "$"),
    ],
)
def test_mismatch(text: str, path: str) -> None:
    """What does not follow the type is a ParsingError with text, path and reason, in bounded time."""
    began = time.monotonic()
    with pytest.raises(ParsingError) as caught:
        decode_as(Report, text)
    assert caught.value.path.startswith(path)
    assert caught.value.text == text
    assert caught.value.reason
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("data", [b'"\xff"', b'"\xed\xa0\x80"', b'{"a":"\xc3', b"\xff\xfe[\x00]\x00"])
def test_bytes_that_are_no_utf8(data: bytes) -> None:
    """Bytes that are no UTF-8 are an error that says from where, not a value with holes."""
    for type_ in (str, Row, {"type": "string"}):
        with pytest.raises(ParsingError, match=r"not UTF-8 from byte \d"):
            decode_as(type_, data)


SCHEMA = {
    "type": "object",
    "title": "T",
    "properties": {
        "a": {"type": "string", "minLength": 2, "description": "words"},
        "b": {"oneOf": [{"type": "integer"}, {"const": "x"}]},
        "c": {"$ref": "#/$defs/C", "description": "a c"},
        "d": {"type": "string", "format": "uri"},
    },
    "required": ["a"],
    "$defs": {"C": {"enum": ["p", "q"]}},
}


def test_openai_strict() -> None:
    """Closed objects, all members required, optional ones nullable, dropped limits told, references alone."""
    out = rewrite(SCHEMA, OPENAI_STRICT)
    assert out["additionalProperties"] is False
    assert out["required"] == ["a", "b", "c", "d"]
    assert "title" not in out
    assert out["properties"] == {
        "a": {"type": "string", "description": "words (minLength: 2)"},
        "b": {"anyOf": [{"type": "integer"}, {"type": "string", "const": "x"}, {"type": "null"}]},
        "c": {"anyOf": [{"$ref": "#/$defs/C"}, {"type": "null"}], "description": "a c"},
        "d": {"type": ["string", "null"], "description": "format: uri"},
    }
    assert out["$defs"] == {"C": {"type": "string", "enum": ["p", "q"]}}


def test_other_subsets() -> None:
    """Each wire's own part of JSON Schema."""
    anthropic = rewrite(SCHEMA, ANTHROPIC_STRICT)
    assert anthropic["required"] == ["a"]
    assert anthropic["properties"]["c"] == {"type": "string", "enum": ["p", "q"], "description": "a c"}
    assert "$defs" not in anthropic
    gemini = rewrite(SCHEMA, GEMINI_JSON_SCHEMA)
    assert gemini["properties"]["b"]["oneOf"][1] == {"type": "string", "enum": ["x"]}
    ollama = rewrite(SCHEMA, OLLAMA_TOOL)
    assert ollama["properties"]["b"]["anyOf"] == [{"type": "integer"}, {"type": "string", "enum": ["x"]}]
    assert set(ollama) == {"type", "properties", "required"}


def test_recursion_that_cannot_be_inlined() -> None:
    """A schema that refers to itself is an error where references must be inlined."""
    from miiflow_llm.core.exceptions import ConfigurationError

    with pytest.raises(ConfigurationError, match="within itself"):
        rewrite(schema_of(Entry), ANTHROPIC_STRICT)
    assert rewrite(schema_of(Entry), OPENAI_STRICT)["$defs"]["Entry"]["required"] == ["value", "kids"]


def test_nulls_for_what_was_left_out() -> None:
    """A null for an optional member is its default; where null is a value it stays."""
    text = '{"mood":"good","items":[{"name":"x","price":null}],"note":null,"kind":null,"counts":null}'
    assert decode_as(Report, conformed(text, schema_of(Report))) == Report(Mood.GOOD, [Item("x")])


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def is_prefix(part: Any, whole: Any) -> bool:
    """Whether `part` is `whole` as far as it had come."""
    if isinstance(whole, str):
        return isinstance(part, str) and whole.startswith(part)
    if isinstance(whole, list):
        return isinstance(part, list) and len(part) <= len(whole) and all(map(is_prefix, part, whole))
    if isinstance(whole, dict):
        return isinstance(part, dict) and all(key in whole and is_prefix(one, whole[key]) for key, one in part.items())
    return type(part) is type(whole) and part == whole


@given(_VALUES, st.data())
def test_partial_values(value: Any, data: st.DataObject) -> None:
    """Every value so far is a prefix of the value, and the last one is it, however the text is cut."""
    text = msgspec.json.encode([value]).decode()
    reader, at = PartialJSON(), 0
    while at < len(text):
        step = data.draw(st.integers(1, 9))
        reader.feed(text[at : at + step])
        at += step
        assert reader.value is NOTHING or is_prefix(reader.value, [value])
    assert reader.complete
    assert reader.value == msgspec.json.decode(text)


@pytest.mark.parametrize("text", ['{"a":}', "[1,]", '{"a" 1}', "[01]", "[tru]", '["\\x"]', "{1:2}", "[1 2]", "]"])
def test_malformed_partials(text: str) -> None:
    """Malformed JSON is a typed error as soon as it shows."""
    with pytest.raises(ParsingError):
        PartialJSON().feed(text + " ")


def test_hostile_partials() -> None:
    """Depth is bounded, with an error and not a crash."""
    with pytest.raises(ParsingError):
        PartialJSON().feed("[" * 100_000)


def chat(text: str, provider: str = "openai") -> Capture:
    """A chat stream that says `text`, four characters a piece."""
    pieces = [text[at : at + 4] for at in range(0, len(text), 4)]
    frames: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    frames.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    body = b"".join(b"data: " + msgspec.json.encode(frame) + b"\n\n" for frame in frames) + b"data: [DONE]\n\n"
    return Capture(
        name="said",
        provider=provider,
        dialect="openai_chat",
        model="m",
        streaming=True,
        path="/chat/completions",
        body=body,
    )


REPORT = '{"mood":"good","items":[{"name":"kelp","price":1.5}],"note":null,"kind":"b","counts":{"x":2}}'
WANTED = Report(Mood.GOOD, [Item("kelp", 1.5)], None, "b", {"x": 2})


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("provider", "model", "text", "schema", "value"),
    [
        ("openai", "gpt-4.1", REPORT, Report, WANTED),
        ("openai", "gpt-4.1", '{"value":["a","bc"]}', list[str], ["a", "bc"]),
        ("deepseek", "deepseek-flash", f"Here it is:\n```json\n{REPORT}\n```\nGood luck.", Report, WANTED),
    ],
)
async def test_stream_with_schema(provider: str, model: str, text: str, schema: Any, value: Any) -> None:
    """The value grows from chunk to chunk, and the last chunk has it whole, of the caller's type."""
    async with ReplayServer([chat(text, provider)]) as server:
        async with LLMClient.create(provider, model, "k", base_url=server.url_for(provider, "said")) as client:
            chunks = [chunk async for chunk in client.stream_with_schema("x", schema)]
    assert chunks[-1].structured_output == value
    assert all(chunk.structured_output is None for chunk in chunks[:-1])
    assert any(chunk.partial_parse for chunk in chunks)


@pytest.mark.anyio
async def test_mismatch_while_streaming() -> None:
    """An answer that is not of the type raises in place of the last chunk, and keeps the answer."""
    async with ReplayServer([chat('{"mood":"grim"}')]) as server:
        async with LLMClient.create("openai", "gpt-4.1", "k", base_url=server.url_for("openai", "said")) as client:
            chunks, stream = [], client.stream_with_schema("x", Report)
            with pytest.raises(ParsingError) as caught:
                async for chunk in stream:
                    chunks.append(chunk)
    assert caught.value.path in ("$", "$.mood")
    assert caught.value.partial is not None
    assert all(chunk.finish_reason is None for chunk in chunks)
    assert client.get_metrics().finished == 1


@pytest.mark.parametrize(
    ("provider", "model", "place"),
    [
        ("openai", "gpt-4.1", lambda body: body["response_format"]["json_schema"]["schema"]),
        ("anthropic", "claude-sonnet-5-5", lambda body: body["output_config"]["format"]["schema"]),
        ("anthropic", "claude-3-5-sonnet-latest", lambda body: body["tools"][0]["input_schema"]),
        ("gemini", "gemini-2.5-flash", lambda body: body["generationConfig"]["responseJsonSchema"]),
        ("ollama", "m", lambda body: body["format"]),
        ("mistral", "mistral-small-latest", lambda body: body["response_format"]["json_schema"]["schema"]),
        ("cohere", "command-a-03-2025", lambda body: body["response_format"]["json_schema"]),
    ],
)
def test_ways(provider: str, model: str, place: Any) -> None:
    """Each provider is asked in its own way: its field, or a tool that must be called."""
    body = LLMClient.create(provider, model, "k").plan("x", schema=Item).body
    assert body is not None
    assert set(place(body)["properties"]) == {"name", "price"}
