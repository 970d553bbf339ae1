"""Classes as users write them: words and limits in annotations, defaults of every kind, what a class checks itself."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, Required, TypedDict, TypeVar

import attrs
import msgspec
import pytest

from miiflow_llm.core.exceptions import ConfigurationError, ParsingError
from miiflow_llm.schema.of_type import schema_of
from miiflow_llm.schema.refs import references, target
from miiflow_llm.schema.to_type import decode_as
from miiflow_llm.schema.tools import Tool

pydantic = pytest.importorskip("pydantic")
annotated_types = pytest.importorskip("annotated_types")
typing_extensions = pytest.importorskip("typing_extensions")
Field: Callable[..., Any] = pydantic.Field

Few = Annotated[int, Field(description="how many", ge=1, le=5)]
Said = Annotated[str, "in words"]
Doc = Annotated[str, typing_extensions.Doc("in a Doc")]
Short = Annotated[str, msgspec.Meta(description="in a Meta", max_length=3)]
Some = Annotated[list[int], annotated_types.Len(1, 2)]

WANTED = {
    "few": {"type": "integer", "minimum": 1, "maximum": 5, "description": "how many"},
    "said": {"type": "string", "description": "in words"},
    "doc": {"type": "string", "description": "in a Doc"},
    "short": {"type": "string", "maxLength": 3, "description": "in a Meta"},
    "some": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
}
GOOD: dict[str, Any] = {"few": 2, "said": "a", "doc": "b", "short": "abc", "some": [1]}
BAD: dict[str, Any] = {"few": 9, "said": 1, "doc": None, "short": "abcd", "some": []}


@dataclass
class OfDataclass:
    """Five."""

    few: Few
    said: Said
    doc: Doc
    short: Short
    some: Some


class OfTypedDict(TypedDict):
    """Five."""

    few: Few
    said: Said
    doc: Doc
    short: Short
    some: Some


class OfNamedTuple(NamedTuple):
    """Five."""

    few: Few
    said: Said
    doc: Doc
    short: Short
    some: Some


class OfStruct(msgspec.Struct):
    """Five."""

    few: Few
    said: Said
    doc: Doc
    short: Short
    some: Some


@attrs.define
class OfAttrs:
    """Five."""

    few: Few
    said: Said
    doc: Doc
    short: Short
    some: Some


def of_function(few: Few, said: Said, doc: Doc, short: Short, some: Some) -> str:
    """Five."""
    return f"{few} {said} {doc} {short} {some}"


def without_addresses(value: object) -> str:
    """A value in a test's name: the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


CLASSES = [OfDataclass, OfTypedDict, OfStruct, OfAttrs]


def json(value: Any) -> str:
    """The value as JSON text."""
    return msgspec.json.encode(value).decode()


@pytest.mark.parametrize("type_", CLASSES, ids=lambda type_: type_.__name__)
def test_words_and_limits(type_: Any) -> None:
    """Words and limits of annotations, whoever's, reach the schema of every kind of class, and are checked."""
    schema = schema_of(type_)
    assert schema["properties"] == WANTED
    assert (schema["title"], schema["description"]) == (type_.__name__, "Five.")
    value = decode_as(type_, json(GOOD))
    assert value == (GOOD if type_ is OfTypedDict else type_(**GOOD))
    assert type(value) is (dict if type_ is OfTypedDict else type_)


@pytest.mark.parametrize("name", WANTED)
@pytest.mark.parametrize("type_", CLASSES, ids=lambda type_: type_.__name__)
def test_what_does_not_keep_within(type_: Any, name: str) -> None:
    """A value beyond a limit, or of another kind, is an error with its place, however deep it stands."""
    for outer, text, path in (
        (type_, json({**GOOD, name: BAD[name]}), f"$.{name}"),
        (list[type_], json([GOOD, {**GOOD, name: BAD[name]}]), f"$[1].{name}"),
        (dict[str, type_ | None], json({"k": {**GOOD, name: BAD[name]}}), f"$[...].{name}"),
    ):
        with pytest.raises(ParsingError) as caught:
            decode_as(outer, text)
        assert caught.value.path == path
        assert " - at " not in caught.value.reason


def test_a_named_tuple() -> None:
    """A NamedTuple is an array, its words and limits by place."""
    schema = schema_of(OfNamedTuple)
    assert schema["prefixItems"] == list(WANTED.values())
    assert (schema["minItems"], schema["maxItems"]) == (5, 5)
    assert decode_as(OfNamedTuple, json([*GOOD.values()])) == OfNamedTuple(**GOOD)
    with pytest.raises(ParsingError) as caught:
        decode_as(OfNamedTuple, json([*list(GOOD.values())[:-1], []]))
    assert caught.value.path == "$[4]"


@pytest.mark.anyio
async def test_a_function() -> None:
    """The same of a function's parameters."""
    tool = Tool.from_function(of_function)
    assert tool.parameters["properties"] == WANTED
    assert await tool.run(json(GOOD)) == "2 a b abc [1]"
    for name, bad in BAD.items():
        with pytest.raises(ParsingError) as caught:
            tool.arguments(json({**GOOD, name: bad}))
        assert caught.value.path == f"$.{name}"


class Even(pydantic.BaseModel):  # type: ignore[name-defined,misc]
    """An even number."""

    n: int = 2

    @pydantic.field_validator("n")
    @classmethod
    def even(cls, value: int) -> int:
        """Refuse an odd one."""
        if value % 2:
            raise ValueError("odd")
        return value


@pydantic.dataclasses.dataclass
class EvenDataclass:
    """An even number too."""

    n: int

    @pydantic.field_validator("n")
    @classmethod
    def even(cls, value: int) -> int:
        """Refuse an odd one."""
        if value % 2:
            raise ValueError("odd")
        return value


class EvenTypedDict(typing_extensions.TypedDict):  # type: ignore[name-defined,misc]
    """An even number as well."""

    n: Annotated[int, pydantic.AfterValidator(Even.even)]


@dataclass
class EvenPostInit:
    """Checks itself."""

    n: int

    def __post_init__(self) -> None:
        if self.n % 2:
            raise ValueError("odd")


@dataclass
class EvenAssert:
    """Checks itself by an assertion."""

    n: int
    kind: Said = "x"

    def __post_init__(self) -> None:
        assert self.n % 2 == 0, "odd"


class EvenError(Exception):
    """Not one that validators are told to raise."""


@dataclass
class EvenOwnError:
    """Checks itself, and raises what it likes."""

    n: int

    def __post_init__(self) -> None:
        if self.n % 2:
            raise EvenError("odd")


class EvenStruct(msgspec.Struct):
    """Checks itself as well."""

    n: int
    kind: Said = "x"

    def __post_init__(self) -> None:
        if self.n % 2:
            raise ValueError("odd")


def is_even(instance: Any, attribute: Any, value: int) -> None:
    """Refuse an odd one."""
    if value % 2:
        raise ValueError("odd")


@attrs.define
class EvenAttrs:
    """Checked by attrs."""

    n: int = attrs.field(validator=is_even)


@attrs.define
class EvenConverted:
    """Converted by attrs, then checked."""

    n: int = attrs.field(validator=is_even, converter=lambda value: value * 3)


EvenRoot = pydantic.RootModel[Annotated[int, pydantic.AfterValidator(Even.even)]]
EVENS = [
    Even,
    EvenDataclass,
    EvenTypedDict,
    EvenPostInit,
    EvenAssert,
    EvenOwnError,
    EvenStruct,
    EvenAttrs,
    EvenConverted,
]


@pytest.mark.parametrize("type_", EVENS, ids=lambda type_: type_.__name__)
def test_a_class_checks_itself(type_: Any) -> None:
    """What a class checks when it is made holds for what comes out, alone and inside other types."""
    schema_of(list[type_])
    value = decode_as(type_, '{"n":4}')
    assert (value["n"] if isinstance(value, dict) else value.n) == (12 if type_ is EvenConverted else 4)
    holder = dataclasses.make_dataclass("Holder", [("inner", type_), ("said", Said, "x")])
    for outer, text, begin in (
        (type_, '{"n":3}', "$"),
        (list[type_], '[{"n":4},{"n":3}]', "$[1]"),
        (type_ | None, '{"n":3}', "$"),
        (dict[str, list[type_]], '{"a":[{"n":3}]}', "$[...][0]"),
        (holder, '{"inner":{"n":3}}', "$.inner"),
    ):
        with pytest.raises(ParsingError, match="odd") as caught:
            decode_as(outer, text)
        assert caught.value.path.startswith(begin)


@pytest.mark.parametrize(
    ("type_", "good", "value", "bad"),
    [
        (Annotated[int, pydantic.AfterValidator(lambda value: value + 1)], "1", 2, '"x"'),
        (Annotated[str, pydantic.StringConstraints(min_length=2, to_upper=True)], '"ab"', "AB", '"a"'),
        (pydantic.PositiveInt, "1", 1, "0"),
        (pydantic.conint(ge=3), "3", 3, "2"),
        (pydantic.SecretStr, '"x"', pydantic.SecretStr("x"), "1"),
        (Annotated[decimal.Decimal, Field(gt=0)], '"1.5"', decimal.Decimal("1.5"), '"-1"'),
        (Annotated[dt.date, Field(ge=dt.date(2020, 1, 1))], '"2020-01-01"', dt.date(2020, 1, 1), '"2019-01-01"'),
        (Annotated[int, annotated_types.Interval(ge=1, lt=3)], "2", 2, "3"),
        (Annotated[int, annotated_types.Predicate(lambda value: value > 3)], "4", 4, "3"),
        (Annotated[str, Field(pattern="^a")], '"ab"', "ab", '"b"'),
        (Annotated[int | None, Field(ge=1)], "null", None, "0"),
        (Annotated[decimal.Decimal, annotated_types.Ge(1)], '"1.5"', decimal.Decimal("1.5"), '"0.5"'),
        (EvenRoot, "2", EvenRoot(2), "3"),
    ],
    ids=without_addresses,
)
def test_types_of_pydantics(type_: Any, good: str, value: Any, bad: str) -> None:
    """Pydantic's own types and validators hold, alone and in a list."""
    schema_of(type_)
    assert decode_as(type_, good) == value
    assert decode_as(list[type_], f"[{good}]") == [value]
    for outer, text in ((type_, bad), (list[type_], f"[{bad}]")):
        with pytest.raises(ParsingError):
            decode_as(outer, text)


class Colour(enum.Enum):
    """A colour."""

    RED = "red"


@dataclass(frozen=True)
class Point:
    """A point."""

    x: int = 0


@dataclass
class Defaults:
    """Defaults of every kind."""

    plain: int = 3
    given: int = Field(default=4, ge=2, description="f")
    annotated: Annotated[int, Field(default=5, le=9)] = 5
    made: list[int] = Field(default_factory=lambda: [1])  # noqa: RUF009  as users write it
    own: list[int] = field(default_factory=lambda: [2])
    model: Even = field(default_factory=lambda: Even(n=6))
    point: Point = Point(7)
    colour: Colour = Colour.RED
    said: Said = "x"


def defaults(
    model: Even = Even(n=6),  # noqa: B008  as users write it
    point: Point = Point(7),
    given: int = Field(default=4, ge=2, description="f"),
    needed: int = Field(description="g"),
    made: list[int] = Field(default_factory=lambda: [1]),  # noqa: B008  as users write it
    colour: Colour = Colour.RED,
    tags: list[str] = ["a"],  # noqa: B006  as users write it
    nothing: Annotated[Even | None, "maybe"] = None,
) -> Any:
    """Defaults of every kind."""
    return [model, point, given, needed, made, colour, tags, nothing]


def test_defaults_of_a_class() -> None:
    """Defaults that are models, made ones and pydantic's are those of the value, and those that JSON has are told."""
    assert decode_as(Defaults, "{}") == Defaults(given=4, made=[1])
    members = schema_of(Defaults)["properties"]
    assert schema_of(Defaults).get("required", []) == []
    assert members["given"] == {"type": "integer", "minimum": 2, "description": "f", "default": 4}
    assert {name: one["default"] for name, one in members.items() if "default" in one} == {
        "plain": 3,
        "given": 4,
        "annotated": 5,
        "made": [1],
        "point": {"x": 7},
        "colour": "red",
        "said": "x",
    }


@pytest.mark.anyio
async def test_defaults_of_a_function() -> None:
    """The same of a function; what a `Field` without a default stands for must be given."""
    tool = Tool.from_function(defaults)
    assert tool.parameters["required"] == ["needed"]
    assert tool.parameters["properties"]["model"]["default"] == {"n": 6}
    assert tool.parameters["properties"]["given"]["description"] == "f"
    assert await tool.run('{"needed":1}') == [Even(n=6), Point(7), 4, 1, [1], Colour.RED, ["a"], None]
    with pytest.raises(ParsingError, match="given"):
        tool.arguments('{"needed":1,"given":1}')
    (await tool.run('{"needed":1}'))[6].append("b")
    assert (await tool.run('{"needed":1}'))[6] == ["a"]


@dataclass
class Circle:
    """Round."""

    kind: Literal["circle"]
    radius: float


@dataclass
class Square:
    """Not round."""

    kind: Literal["square"]
    side: float
    inner: list[Circle | Square] = field(default_factory=list)


class Cat(TypedDict):
    """Purrs."""

    name: str
    lives: int


class Dog(TypedDict):
    """Barks."""

    name: str
    tricks: NotRequired[list[str]]


@dataclass
class Here:
    """With defaults alone."""

    a: int = 0


@dataclass
class There:
    """With defaults alone."""

    b: int = 0


class Plain(msgspec.Struct):
    """Without a tag."""

    n: int


class PairA(NamedTuple):
    """An array."""

    kind: Literal["a"]
    value: int


class PairB(NamedTuple):
    """An array too."""

    kind: Literal["b"]
    value: str


CIRCLE, SQUARE = '{"kind":"circle","radius":1}', '{"kind":"square","side":2}'


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (Circle | Square, SQUARE, Square("square", 2.0)),
        (Square | Circle, CIRCLE, Circle("circle", 1.0)),
        (list[Circle | Square | None], f"[{CIRCLE},null]", [Circle("circle", 1.0), None]),
        (Square, SQUARE[:-1] + f',"inner":[{CIRCLE}]}}', Square("square", 2.0, [Circle("circle", 1.0)])),
        (Cat | Dog, '{"name":"x","lives":9}', {"name": "x", "lives": 9}),
        (Cat | Dog, '{"name":"x","tricks":["sit"]}', {"name": "x", "tricks": ["sit"]}),
        (dict[str, Cat | Circle], f'{{"a":{CIRCLE}}}', {"a": Circle("circle", 1.0)}),
        (Here | There, '{"b":1}', There(1)),
        (Here | There, "{}", Here(0)),
        (Circle | Square | str, '"round"', "round"),
        (Circle | dict[str, int], '{"x":1}', {"x": 1}),
        (OfStruct | Circle, CIRCLE, Circle("circle", 1.0)),
        (OfStruct | Plain, '{"n":1}', Plain(1)),
        (Even | Plain, '{"n":2}', Even(n=2)),
        (Even | OfDataclass | Circle, CIRCLE, Circle("circle", 1.0)),
        (PairA | PairB, '["b","x"]', PairB("b", "x")),
        (Annotated[Circle | Square, "a shape"], CIRCLE, Circle("circle", 1.0)),
    ],
    ids=str,
)
def test_unions(type_: Any, text: str, value: Any) -> None:
    """Unions of dataclasses, of TypedDicts, and of both: the alternative that the answer is comes out."""
    schema = schema_of(type_)
    assert all(target(reference, schema) is not None for reference in references(schema))
    assert decode_as(type_, text) == value


@pytest.mark.parametrize(
    ("type_", "text", "path"),
    [
        (Circle | Square, '{"kind":"square","side":"x"}', "$.side"),
        (list[Circle | Square], f'[{SQUARE},{{"kind":"circle","radius":[]}}]', "$[1].radius"),
        (Cat | Dog, '{"name":1,"lives":9}', "$.name"),
        (Circle | Square, "3", "$"),
    ],
    ids=str,
)
def test_what_is_of_no_alternative(type_: Any, text: str, path: str) -> None:
    """The error is that of the alternative that is nearest."""
    with pytest.raises(ParsingError) as caught:
        decode_as(type_, text)
    assert caught.value.path == path


T = TypeVar("T")
Name = NewType("Name", str)


@dataclass
class Box(Generic[T]):
    """A box."""

    inside: Annotated[T, "what is in it"]
    name: Name = Name("x")


@dataclass
class Tree:
    """A tree."""

    value: Annotated[int, "the value", Field(ge=0)]
    kids: list[Tree] = field(default_factory=list)


@dataclass
class Once:
    """Takes what it does not keep."""

    given: dataclasses.InitVar[int]
    doubled: int = field(init=False, default=0)

    def __post_init__(self, given: int) -> None:
        self.doubled = 2 * given


@attrs.define
class Private:
    """With a private name."""

    _x: Said
    y: list[int] = attrs.field(factory=list)


class Partly(TypedDict, total=False):
    """Some need not be there."""

    a: Required[Said]
    b: Annotated[int, "a number"]


class Tagged(msgspec.Struct, tag="t", rename="camel", forbid_unknown_fields=True):
    """With settings of its own."""

    long_name: Said


class Aliased(TypedDict):
    """With another key in JSON."""

    class_: Annotated[str, Field(alias="class", description="its class")]


@pytest.mark.parametrize(
    ("type_", "text", "value", "bad"),
    [
        (Box[int], '{"inside":1}', Box(1), '{"inside":"x"}'),
        (Box[Few], '{"inside":1}', Box(1), '{"inside":9}'),
        (Tree, '{"value":1,"kids":[{"value":2}]}', Tree(1, [Tree(2)]), '{"value":1,"kids":[{"value":-2}]}'),
        (Once, '{"given":4}', Once(4), "{}"),
        (Private, '{"_x":"a"}', Private("a"), '{"x":"a"}'),
        (Partly, '{"a":"x"}', {"a": "x"}, '{"b":1}'),
        (Tagged, '{"type":"t","longName":"x"}', Tagged("x"), '{"type":"t","longName":"x","y":1}'),
        (Tagged, '{"type":"t","longName":"x"}', Tagged("x"), '{"type":"u","longName":"x"}'),
        (Aliased, '{"class":"x"}', {"class_": "x"}, '{"class_":"x"}'),
        (tuple[Few, Said], '[1,"x"]', (1, "x"), '[9,"x"]'),
    ],
    ids=str,
)
def test_settings_are_kept(type_: Any, text: str, value: Any, bad: str) -> None:
    """Generics, trees, `InitVar`, private names, tags, other keys: as without words and limits."""
    schema = schema_of(type_)
    assert all(target(reference, schema) is not None for reference in references(schema))
    assert decode_as(type_, text) == value
    with pytest.raises(ParsingError):
        decode_as(type_, bad)


def test_what_needs_nothing_is_left_alone() -> None:
    """A type of which msgspec loses nothing is the type that msgspec is given."""
    from miiflow_llm.schema.readable import readable

    for type_ in (int, list[Short], Point, Here, Colour, int | str, str | int, dict[str, Point | None], Any):
        assert readable(type_) is type_


def test_what_no_json_schema_has() -> None:
    """A member that JSON has no form for is named, in one plain line."""
    bad = dataclasses.make_dataclass("Bad", [("call", Callable[[int], int]), ("said", Said)])
    with pytest.raises(ConfigurationError, match="has no JSON Schema") as caught:
        schema_of(bad)
    assert "\n" not in caught.value.message


def private(__y: int, _x: Annotated[Circle | Square, "shape"]) -> Any:  # noqa: PYI063  it is passed by name
    """Names with underscores.

    :param __y: how high,
        above all else
    :type __y: int
    :param _x: the shape
      of it
      and its colour
    :returns: both
        of them
    """
    return __y, _x


@pytest.mark.anyio
async def test_names_with_underscores() -> None:
    """A parameter may begin with two underscores; Sphinx's words go on in lines that are indented."""
    tool = Tool.from_function(private)
    assert tool.parameters["properties"]["__y"] == {"type": "integer", "description": "how high, above all else"}
    assert tool.parameters["properties"]["_x"]["description"] == "shape"
    assert tool.description == "Names with underscores."
    assert await tool.run(f'{{"__y":1,"_x":{CIRCLE}}}') == (1, Circle("circle", 1.0))
    with pytest.raises(ParsingError, match="__y"):
        tool.arguments(f'{{"_x":{CIRCLE}}}')


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (int, "5.0", 5),
        (Few, "5.0", 5),
        (list[int], "[1.0,2e0,3]", [1, 2, 3]),
        (dict[str, int], '{"a":1.0}', {"a": 1}),
        (tuple[int, float], "[1.0,2.0]", (1, 2.0)),
        (Literal[1, 2], "1.0", 1),
        (OfTypedDict, json(GOOD).replace('"few":2', '"few":2.0'), GOOD),
        (list[Circle | Tree], '[{"value":3.0}]', [Tree(3)]),
        (int | float, "5.0", 5.0),
        (float, "5.0", 5.0),
        (Any, "5.0", 5.0),
    ],
    ids=str,
)
def test_a_whole_number_is_an_integer(type_: Any, text: str, value: Any) -> None:
    """`5.0` is an integer where one is asked for, and stays what it is elsewhere; `5.5` is none."""
    from miiflow_llm.schema.conform import conformed

    found = decode_as(type_, conformed(text, schema_of(type_)))
    assert found == value
    assert type(found) is type(value)
    with pytest.raises(ParsingError):
        decode_as(list[int], conformed("[5.5]", schema_of(list[int])))


NUMBERS = iter(range(100))


def fresh(
    some: Annotated[list[int], Field(default_factory=lambda: [1])],
    even: Annotated[Even, Field(default_factory=lambda: Even(n=4))],
    number: Annotated[int, Field(default_factory=lambda: next(NUMBERS))],
) -> Any:
    """Defaults that are made."""
    return some, even, number


@pytest.mark.anyio
async def test_defaults_that_are_made() -> None:
    """A default that is made is made anew for each call, and told only if it is always the same."""
    tool = Tool.from_function(fresh)
    first, second = await tool.run("{}"), await tool.run("{}")
    assert first[0] == [1]
    assert first[0] is not second[0]
    assert first[1] is not second[1]
    assert first[2] < second[2]
    told = {name: one.get("default") for name, one in tool.parameters["properties"].items()}
    assert told == {"some": [1], "even": {"n": 4}, "number": None}


def test_words_on_the_root() -> None:
    """Words of an annotation around a class are the root's, before the class's own."""
    assert schema_of(Annotated[Point, "where it is"])["description"] == "where it is"


def test_a_key_that_is_not_legal() -> None:
    """A key that the type does not take is an error of its object."""
    with pytest.raises(ParsingError, match="'c'") as caught:
        decode_as(dict[str, dict[Literal["a", "b"], int]], '{"x":{"c":1}}')
    assert caught.value.path.startswith("$")
    assert " - at " not in caught.value.reason
