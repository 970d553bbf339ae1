"""By which way a model follows a type: its own where it can be gone, the prompt where not, and what is read then."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import msgspec
import pytest

from miiflow_llm import LLMClient, SyncLLMClient
from miiflow_llm.core.exceptions import ConfigurationError, ParsingError
from miiflow_llm.core.request import Plan
from miiflow_llm.replay.fake import fake_pair
from miiflow_llm.replay.server import ReplayServer, serving
from miiflow_llm.schema.of_type import schema_of

PROMPT = "in words of the prompt"


@dataclass
class Node:
    """A tree."""

    name: str
    kids: list[Node] = field(default_factory=list)


@dataclass
class Counted:
    """An open object."""

    counts: dict[str, int]


@dataclass
class Loose:
    """Whatever comes."""

    extra: Any


@dataclass
class Tide:
    """What has a place in every subset."""

    port: str


def now(zone: str) -> str:
    """The time there."""
    return f"six in {zone}"


def plan(provider: str, model: str, schema: Any, *tools: Any) -> Plan:
    """What the provider would be sent."""
    return LLMClient.create(provider, model, "k").plan("x", schema=schema, tools=tools)


def asked_in_prompt(found: Plan) -> bool:
    """Whether the schema is said in the prompt, and nowhere else."""
    body = found.body or {}
    said = any(PROMPT in note for note in found.notes)
    first = str(body.get("system") or body["messages"][0]["content"])
    assert said == ("It must follow this JSON Schema" in first)
    assert not (said and ("output_config" in body or "json_schema" in str(body.get("response_format"))))
    return said


@pytest.mark.parametrize("schema", [Node, Counted, Loose, list[Node], dict[str, int], list, list[Any]], ids=str)
def test_what_a_strict_field_cannot_say(schema: Any) -> None:
    """Types beyond Anthropic's subset are asked for in the prompt; those within it are not, whatever the tools."""
    assert asked_in_prompt(plan("anthropic", "claude-sonnet-5-5", schema))
    assert not asked_in_prompt(plan("anthropic", "claude-sonnet-5-5", Tide, now))


def wide(optional: int, unions: int) -> Any:
    """A type with so many members that need not be there, and so many of several types."""
    members = [(f"o{at}", int, 0) for at in range(optional)] + [(f"u{at}", int | str) for at in range(unions)]
    return msgspec.defstruct("Wide", members, kw_only=True)


@pytest.mark.parametrize(
    ("optional", "unions", "too_much"), [(24, 16, False), (25, 0, True), (0, 17, True), (12, 8, False)]
)
def test_what_is_too_much_for_a_strict_field(optional: int, unions: int, too_much: bool) -> None:
    """Beyond Anthropic's numbers of optional members and unions, in the whole schema, the prompt is the way."""
    assert asked_in_prompt(plan("anthropic", "claude-sonnet-5-5", wide(optional, unions))) == too_much
    inside = wide(optional, unions)
    twice = msgspec.defstruct("Twice", [("a", inside), ("b", list[inside])])  # type: ignore[valid-type]
    assert asked_in_prompt(plan("anthropic", "claude-sonnet-5-5", twice)) == (optional > 12 or unions > 8)
    assert not asked_in_prompt(plan("openai", "gpt-6-luna", wide(optional, unions)))


def test_lists_of_types_are_unions() -> None:
    """A member of several types counts as a union in either spelling."""
    members = {f"u{at}": {"type": ["string", "null"]} for at in range(17)}
    schema = {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}
    assert asked_in_prompt(plan("anthropic", "claude-sonnet-5-5", schema))
    del schema["properties"]["u0"]
    assert not asked_in_prompt(plan("anthropic", "claude-sonnet-5-5", {**schema, "required": list(members)[1:]}))


def test_two_types_of_one_name() -> None:
    """Two types of one name stand side by side, or, before msgspec 0.23, are an error that names them."""
    both = msgspec.defstruct("Both", [("a", wide(1, 0)), ("b", wide(2, 0))])
    if msgspec.__version__ < "0.23":
        with pytest.raises(ConfigurationError, match=r"two types in it are called .*Wide"):
            schema_of(both)
        return
    found = schema_of(both)
    first, second = (found["$defs"][member["$ref"].rpartition("/")[2]] for member in found["properties"].values())
    assert (len(first["properties"]), len(second["properties"])) == (1, 2)


@pytest.mark.parametrize("schema", [Loose, list, Counted], ids=str)
def test_anything_is_not_asked_for_strictly(schema: Any) -> None:
    """`Any` may be an object of any names, which a strict wire would close: the schema goes as it is."""
    body = plan("openai", "gpt-6-luna", schema).body or {}
    assert body["response_format"]["json_schema"]["strict"] is False
    strict = plan("openai", "gpt-6-luna", Node).body or {}
    assert strict["response_format"]["json_schema"]["strict"] is True


BESIDE_TOOLS = [
    ("groq", "openai/gpt-oss-120b"),
    ("groq", "llama-3.3-70b-versatile"),
    ("cohere", "command-a-03-2025"),
    ("anthropic", "claude-3-5-haiku-latest"),
    ("openai", "gpt-3.5-turbo"),
]


@pytest.mark.parametrize(("provider", "model"), BESIDE_TOOLS)
def test_beside_tools(provider: str, model: str) -> None:
    """Where the model's own way cannot stand beside tools, it is the prompt, without a JSON mode that is refused."""
    found = plan(provider, model, Tide, now)
    assert asked_in_prompt(found)
    assert len((found.body or {})["tools"]) == 1
    if provider in ("groq", "cohere"):
        assert "response_format" not in (found.body or {})


CALLING = [("openai", "gpt-4.1", "openai_chat"), ("anthropic", "claude-haiku-4-5", "anthropic_messages")]


def test_beside_thinking() -> None:
    """Where no tool can be forced while the model thinks, a thinking one is asked in the prompt."""
    client = LLMClient.create("anthropic", "claude-3-7-sonnet-latest", "k")
    assert not asked_in_prompt(client.plan("x", schema=Tide))
    assert asked_in_prompt(client.plan("x", schema=Tide, reasoning="high"))


@pytest.mark.anyio
@pytest.mark.parametrize(("provider", "model", "dialect"), CALLING)
async def test_calls_come_before_the_answer(provider: str, model: str, dialect: str) -> None:
    """An answer that is calls has no value yet: it is given as it is, whole and streamed, and `run_tools` goes on."""
    captures = fake_pair(dialect, tool_calls=[("now", {"zone": "Oban"})])
    async with ReplayServer(captures, match=("streaming",)) as server:
        async with LLMClient.create(provider, model, "k", base_url=server.url_for(provider)) as client:
            whole = await client.chat("x", schema=Tide, tools=[now])
            chunks = [chunk async for chunk in client.stream_with_schema("x", Tide, tools=[now])]
            run = await client.run_tools("x", [now], schema=Tide, max_rounds=2)
    assert whole.structured_output is None
    assert [call.name for call in whole.tool_calls] == ["now"]
    assert chunks[-1].finish_reason == "tool_calls"
    assert chunks[-1].structured_output is None
    assert [message.text for message in run.messages if message.role == "tool"] == ["six in Oban"]


FENCED = 'Here it is:\n```json\n{"port": "Oban"}\n```\nGood luck {x}'


@pytest.mark.parametrize("text", [FENCED, '{"port": "Oban"}', '\ufeff{"port":"Oban"}'], ids=["fence", "bare", "mark"])
def test_a_fence_where_none_should_be(text: str) -> None:
    """A model whose server promised bare JSON and that writes a fence around it is read all the same."""
    with serving(fake_pair("openai_chat", text=text), match=("streaming",)) as server:
        with SyncLLMClient.create("openai", "gpt-4.1", "k", base_url=server.url_for("openai")) as client:
            assert client.chat("x", schema=Tide).structured_output == Tide("Oban")
            chunks = list(client.stream_with_schema("x", Tide))
    assert chunks[-1].structured_output == Tide("Oban")
    assert chunks[-1].partial_parse == {"port": "Oban"}


def test_an_error_is_that_of_the_whole_text() -> None:
    """Where there is nothing to be read around, the error says what is wrong with the answer as it came."""
    with serving(fake_pair("openai_chat", text='{"port": 3}'), match=("streaming",)) as server:
        with SyncLLMClient.create("openai", "gpt-4.1", "k", base_url=server.url_for("openai")) as client:
            with pytest.raises(ParsingError, match="Expected `str`, got `int`") as caught:
                client.chat("x", schema=Tide)
    assert caught.value.path == "$.port"
    assert caught.value.text == '{"port": 3}'


class Dawn(msgspec.Struct, tag=True):
    """A time of day."""

    at: time


class Eclipse(msgspec.Struct, tag=True):
    """A time."""

    on: datetime


class Row(NamedTuple):
    """A list."""

    on: datetime
    height: float = 0.0


class Log(TypedDict):
    """An object."""

    rows: list[Row]


@dataclass
class Times:
    """Times in every place that a type can stand."""

    one: datetime
    maybe: datetime | int | None
    many: dict[str, list[datetime]]
    pair: tuple[int, datetime]
    either: Dawn | Eclipse | int | None
    log: Log
    naive: Annotated[datetime, msgspec.Meta(tz=False)]
    said: Annotated[datetime, msgspec.Meta(description="when")]
    kind: Literal["a"] = "a"
    more: list[Times] = field(default_factory=list)


def test_times_have_their_format() -> None:
    """A `datetime` is said to be one wherever it stands, but for one without a zone, which the format would demand."""
    stamp = {"type": "string", "format": "date-time"}
    schema = schema_of(Times)
    members, definitions = schema["properties"], schema["$defs"]
    assert members["one"] == stamp
    assert members["maybe"]["anyOf"] == [stamp, {"type": "integer"}, {"type": "null"}]
    assert members["many"]["additionalProperties"]["items"] == stamp
    assert members["pair"]["prefixItems"] == [{"type": "integer"}, stamp]
    assert members["said"] == {"description": "when", **stamp}
    assert members["naive"] == {"type": "string"}
    assert definitions["Dawn"]["properties"]["at"] == {"type": "string", "format": "time"}
    assert definitions["Eclipse"]["properties"]["on"] == stamp
    assert definitions["Row"]["prefixItems"][0] == stamp
    assert definitions["Times"]["properties"]["one"] == stamp
    assert schema_of(list[datetime])["items"] == stamp
