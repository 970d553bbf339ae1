"""Pydantic models, alone and inside other types: their schemas, their values, and where they do not fit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Optional

import msgspec
import pytest

from miiflow_llm.core.exceptions import ConfigurationError, ParsingError
from miiflow_llm.schema.of_type import schema_of, wrap_root
from miiflow_llm.schema.refs import target
from miiflow_llm.schema.to_type import decode_as
from miiflow_llm.schema.tools import Tool

pydantic = pytest.importorskip("pydantic")
typing_extensions = pytest.importorskip("typing_extensions")  # before 3.12 pydantic reads its TypedDict alone


class Feather(pydantic.BaseModel):  # type: ignore[name-defined,misc]
    """A part of a bird."""

    length: int


class Gull(pydantic.BaseModel):  # type: ignore[name-defined,misc]
    """A bird."""

    kind: Literal["gull"] = "gull"
    feathers: list[Feather]


class Seal(pydantic.BaseModel):  # type: ignore[name-defined,misc]
    """No bird."""

    kind: Literal["seal"]
    weight: float


class Branch(pydantic.BaseModel):  # type: ignore[name-defined,misc]
    """A tree."""

    kids: list[Branch] = []  # noqa: RUF012  pydantic copies it


@dataclass
class Shore:
    """Who lives there."""

    animals: list[Gull | Seal]
    name: str = "x"


class Beach(typing_extensions.TypedDict):  # type: ignore[name-defined,misc]
    """Who lives there too."""

    shore: Shore
    seal: Seal | Gull | None


def other_feather() -> Any:
    """A dataclass that is called as a model is."""
    return msgspec.defstruct("Feather", [("colour", str)])


def references(schema: Any) -> list[str]:
    """Every `$ref` in a schema."""
    if isinstance(schema, dict):
        own = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []
        return own + [one for value in schema.values() for one in references(value)]
    return [one for value in schema for one in references(value)] if isinstance(schema, list) else []


def assert_whole(schema: dict[str, Any]) -> None:
    """Every reference has its target, and definitions stand at the root alone."""
    assert all(target(reference, schema) is not None for reference in references(schema))
    inner = msgspec.json.encode([one for key, one in schema.items() if key != "$defs"]).decode()
    assert '"$defs":' not in inner


TYPES = [
    Gull,
    Branch,
    list[Gull],
    dict[str, Gull],
    Gull | None,
    Gull | Seal,
    Optional[Gull | Seal],  # noqa: UP045  the old spelling is read too
    list[Gull | Seal],
    Gull | int,
    Shore,
    Beach,
    list[Shore],
]


@pytest.mark.parametrize("type_", TYPES, ids=str)
def test_no_reference_dangles(type_: Any) -> None:
    """A schema holds what it refers to, at its root, wrapped or not."""
    assert_whole(schema_of(type_))
    assert_whole(wrap_root(schema_of(type_))[0])


GULL = '{"kind":"gull","feathers":[{"length":1}]}'
SEAL = '{"kind":"seal","weight":2}'


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (Gull | Seal, SEAL, Seal(kind="seal", weight=2)),
        (Gull | Seal, GULL, Gull(feathers=[Feather(length=1)])),
        (Optional[Gull], "null", None),  # noqa: UP045  the old spelling is read too
        (Gull | Seal | None, "null", None),
        (list[Gull | Seal], f"[{GULL},{SEAL}]", [Gull(feathers=[Feather(length=1)]), Seal(kind="seal", weight=2)]),
        (dict[str, Gull | int], '{"a":1}', {"a": 1}),
        (Annotated[Gull | Seal, pydantic.Field(discriminator="kind")], SEAL, Seal(kind="seal", weight=2)),
        (Shore, f'{{"animals":[{SEAL}]}}', Shore([Seal(kind="seal", weight=2)])),
        (Branch, '{"kids":[{}]}', Branch(kids=[Branch()])),
    ],
    ids=str,
)
def test_values(type_: Any, text: str, value: Any) -> None:
    """Unions of models, and models inside other types, come as the caller's own types."""
    schema_of(type_)
    assert decode_as(type_, text) == value


@pytest.mark.parametrize(
    ("type_", "text", "path"),
    [
        (Gull, '{"feathers":[{"length":"long"}]}', "$.feathers[0].length"),
        (list[Gull], '[{"feathers":[]},{"feathers":[{"length":"long"}]}]', "$[1].feathers[0].length"),
        (list[Gull | Seal], f'[{SEAL},{{"kind":"seal","weight":"x"}}]', "$[1].kind"),
        (dict[str, Seal], '{"a":{"kind":"seal"}}', "$[...].weight"),
        (Shore, '{"animals":[{"kind":"seal","weight":"x"}]}', "$.animals[0].kind"),
    ],
    ids=str,
)
def test_paths(type_: Any, text: str, path: str) -> None:
    """A mismatch says the whole path, with no step that is no place in the JSON."""
    with pytest.raises(ParsingError) as caught:
        decode_as(type_, text)
    assert caught.value.path == path
    assert " - at " not in caught.value.reason


def test_two_of_one_name() -> None:
    """A model and a Struct of one name both have their definition."""
    both = msgspec.defstruct("Both", [("a", list[Gull]), ("b", other_feather())])
    schema = schema_of(both)
    assert_whole(schema)
    found = [sorted(one["properties"]) for one in schema["$defs"].values()]
    assert sorted(found) == [["colour"], ["feathers", "kind"], ["length"]]
    value = decode_as(both, '{"a":[{"feathers":[{"length":1}]}],"b":{"colour":"grey"}}')
    assert value.a[0].feathers[0].length == 1
    assert value.b.colour == "grey"


def test_a_union_of_models_in_a_struct() -> None:
    """msgspec reads no union of models in a field of a Struct; here it is read all the same."""
    struct = msgspec.defstruct("Cave", [("animal", Gull | Seal)])
    assert_whole(schema_of(struct))
    assert decode_as(struct, f'{{"animal":{SEAL}}}') == struct(Seal(kind="seal", weight=2))


def feed(gull: Gull, either: list[Gull | Seal], maybe: Gull | Seal | None = None) -> str:
    """Feed them.

    Args:
        either: who else
    """
    return f"{type(gull).__name__} {[type(one).__name__ for one in either]} {maybe}"


@pytest.mark.anyio
async def test_a_tool_that_takes_models() -> None:
    """A parameter may be a model that nests models, or a union of them."""
    made = Tool.from_function(feed)
    assert_whole(made.parameters)
    assert made.parameters["properties"]["either"]["description"] == "who else"
    assert await made.run(f'{{"gull":{GULL},"either":[{SEAL}]}}') == "Gull ['Seal'] None"
    with pytest.raises(ParsingError) as caught:
        made.arguments(f'{{"gull":{GULL},"either":[{{"kind":"gull"}}]}}')
    assert caught.value.path == "$.either[0].feathers"


def test_pydantic_is_not_imported() -> None:
    """Types that are no models never load pydantic."""
    code = (
        "import sys, miiflow_llm\n"
        "from miiflow_llm.schema.of_type import schema_of\n"
        "from miiflow_llm.schema.to_type import decode_as\n"
        "schema_of(list[int] | str | None); decode_as(int | str, '1')\n"
        "sys.exit('pydantic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_model_without_a_schema() -> None:
    """A model that pydantic has no JSON Schema for is our error, in one plain line."""
    bad = pydantic.create_model("Bad", call=(Callable[[int], int], ...))
    with pytest.raises(ConfigurationError, match="Bad'> has no JSON Schema: Cannot generate a JsonSchema") as caught:
        schema_of(bad)
    assert "\n" not in caught.value.message
