"""Functions as tools: their schema, their arguments checked, and the loop that runs them."""

from __future__ import annotations

import enum
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict

import anyio
import httpx
import msgspec
import pytest

from miiflow_llm import LLMClient, SyncLLMClient
from miiflow_llm.core.exceptions import ConfigurationError, ParsingError
from miiflow_llm.schema.tools import Tool, as_tool, tool


class Unit(enum.Enum):
    """How to count."""

    METRES = "m"
    FEET = "ft"


@dataclass
class Place:
    """Where it is."""

    port: str
    pier: int | None = None


@tool
def tide(
    place: Place,
    days: Annotated[int, "how many days"] = 1,
    unit: Unit = Unit.METRES,
    kind: Literal["high", "low"] = "high",
    tags: list[str] | None = None,
) -> str:
    """Times of the tide.

    Both tides of a day.

    Args:
        place: the port
            and its pier
        unit (Unit): of the heights
    """
    return f"{place.port} {days} {unit.value} {kind} {tags}"


def test_schema() -> None:
    """Names, types, defaults, docs and `Annotated` words become the schema; references stand under `$defs`."""
    properties = tide.parameters["properties"]
    assert tide.name == "tide"
    assert tide.description == "Times of the tide.\n\nBoth tides of a day."
    assert properties["place"] == {"description": "the port and its pier", "$ref": "#/$defs/Place"}
    assert properties["days"] == {"description": "how many days", "type": "integer", "default": 1}
    assert properties["unit"]["description"] == "of the heights"
    assert properties["kind"]["enum"] == ["high", "low"]
    assert tide.parameters["required"] == ["place"]
    assert tide.parameters["$defs"]["Place"]["properties"]["port"] == {"type": "string"}
    assert tide(Place("Oban")) == "Oban 1 m high None"


NUMPY = """Sum up.

    Parameters
    ----------
    a : int
        The first.
    b
        The second
        one.

    Returns
    -------
    int
    """
SPHINX = """Sum up.

    :param a: The first.
    :param int b: The second one.
    :returns: a sum
    """


@pytest.mark.parametrize("doc", [NUMPY, SPHINX])
def test_docstrings(doc: str) -> None:
    """NumPy's and Sphinx's styles are read too."""

    def add(a: int, b: int) -> int:
        return a + b

    add.__doc__ = doc
    made = Tool.from_function(add)
    assert made.description == "Sum up."
    assert {name: one["description"] for name, one in made.parameters["properties"].items()} == {
        "a": "The first.",
        "b": "The second one.",
    }


def bare(x):  # type: ignore[no-untyped-def]
    """No annotation."""


def starred(*args: int) -> None:
    """Any number."""


@pytest.mark.parametrize(
    ("value", "words"),
    [(bare, "no type annotation"), (starred, "by name"), (3, "not a tool"), ({"x": 1}, "no 'x'")],
)
def test_no_tool(value: Any, words: str) -> None:
    """What cannot be a tool says why."""
    with pytest.raises(ConfigurationError, match=words):
        as_tool(value)


class Clock:
    """Tells the time."""

    def __call__(self, zone: str) -> str:
        return f"six in {zone}"


@pytest.mark.anyio
async def test_what_is_called_like_a_function() -> None:
    """An object with `__call__` and a `partial` are tools, with the name and the words of what they are."""
    clock = as_tool(Clock())
    assert (clock.name, clock.description) == ("Clock", "Tells the time.")
    assert await clock.run('{"zone": "Oban"}') == "six in Oban"
    half = as_tool(functools.partial(tide.function, days=2))
    assert half.name == "tide"
    assert half.description.startswith("Times of the tide.")
    assert half.parameters["properties"]["days"]["default"] == 2
    assert await half.run('{"place": {"port": "Oban"}}') == "Oban 2 m high None"


def test_a_local_type_says_why() -> None:
    """A class whose annotations cannot be read where they are says so."""

    class Inner(msgspec.Struct):
        x: int

    class Outer(msgspec.Struct):
        inner: Inner

    with pytest.raises(ConfigurationError, match="not in a function"):
        as_tool(Outer)


def test_names_are_checked() -> None:
    """A name that providers refuse is refused here."""
    with pytest.raises(ConfigurationError, match="letters"):
        Tool("what is this?")


def test_forms() -> None:
    """A function, a decorated one, dicts and types are all tools."""
    openai = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
    assert as_tool(openai).description == "d"
    assert as_tool({"name": "g", "input_schema": {"type": "object"}}).parameters == {"type": "object", "properties": {}}
    assert as_tool(Place).parameters["properties"]["port"] == {"type": "string"}
    assert as_tool(tide) is tide
    assert tool("other", "words")(bare_typed).name == "other"
    assert tool(strict=True)(bare_typed).strict


def bare_typed(x: int) -> int:
    """Typed."""
    return x


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("text", "result"),
    [
        ('{"place":{"port":"Oban"}}', "Oban 1 m high None"),
        ('{"place":{"port":"Oban"},"days":null,"unit":null,"tags":null}', "Oban 1 m high None"),
        ('{"place":{"port":"Oban","pier":2},"unit":"ft","tags":["a"]}', "Oban 1 ft high ['a']"),
    ],
)
async def test_run(text: str, result: str) -> None:
    """Arguments are converted to the function's own types; null for what was optional is its default."""
    assert await tide.run(text) == result


@pytest.mark.parametrize(
    ("text", "path"),
    [('{"place":{"port":1}}', "$.place.port"), ("{}", "$"), ('{"place":{"port":"x"},"dais":1}', "$"), ("{", "$")],
)
def test_wrong_arguments(text: str, path: str) -> None:
    """Arguments that do not fit are a ParsingError with the place."""
    with pytest.raises(ParsingError) as caught:
        tide.arguments(text)
    assert caught.value.path == path


class Wharf(TypedDict):
    """Where ships lie."""

    port: Required[str]
    berths: NotRequired[int]


class Lock(msgspec.Struct):
    """Where ships rise."""

    port: str
    berths: int = 1


@pytest.mark.parametrize("type_", [Place, Wharf, Lock])
def test_a_type_checks_its_arguments(type_: Any) -> None:
    """A tool that is a type alone holds the arguments to it, and gives them as the JSON says them."""
    made = as_tool(type_)
    assert made.arguments('{"port":"Oban"}') == {"port": "Oban"}
    with pytest.raises(ParsingError) as caught:
        made.arguments('{"port":1}')
    assert caught.value.path == "$.port"
    with pytest.raises(ParsingError):
        made.arguments("[]")


class Harbour:
    """Has tools."""

    def __init__(self, name: str) -> None:
        self.name = name

    @tool
    def depth(self, berth: int) -> str:
        """How deep it is."""
        return f"{self.name} {berth}"

    @tool("later", strict=True)
    async def depth_later(self, berth: int) -> str:
        """How deep it will be."""
        return f"{self.name} {berth} later"

    @staticmethod
    @tool
    def add(a: int) -> int:
        """Add one."""
        return a + 1

    aside = Tool("aside")


@pytest.mark.anyio
async def test_methods() -> None:
    """A method is a tool of its object: the model sees no `self`, and the object is there when it runs."""
    first, second = Harbour("Oban"), Harbour("Mallaig")
    assert set(first.depth.parameters["properties"]) == {"berth"}
    assert await first.depth.run('{"berth":1}') == "Oban 1"
    assert await second.depth.run('{"berth":2}') == "Mallaig 2"
    assert await first.depth_later.run('{"berth":3}') == "Oban 3 later"
    assert (first.depth_later.name, first.depth_later.strict) == ("later", True)
    assert first.depth(berth=4) == "Oban 4"
    assert await first.add.run('{"a":1}') == 2
    assert first.aside is Harbour.aside
    assert await as_tool(first.depth).run('{"berth":5}') == "Oban 5"


@pytest.mark.anyio
async def test_a_method_without_its_object() -> None:
    """Reached through the class it has a schema, may be called with an object, and says so when it is run."""
    assert Harbour.depth(Harbour("Ayr"), 1) == "Ayr 1"
    with pytest.raises(ConfigurationError, match=r"method.*instance"):
        await Harbour.depth.run('{"berth":1}')


def test_a_class_method() -> None:
    """The order of the decorators is said."""
    with pytest.raises(ConfigurationError, match="bound"):
        tool(classmethod(bare_typed))  # type: ignore[call-overload, arg-type]


def answer(*calls: tuple[str, str], text: str = "") -> bytes:
    """A whole chat answer."""
    made = [
        {"id": f"c{place}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for place, (name, arguments) in enumerate(calls)
    ]
    message = {"role": "assistant", "content": text or None, "tool_calls": made or None}
    reason = "tool_calls" if calls else "stop"
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    return msgspec.json.encode({"choices": [{"message": message, "finish_reason": reason}], "usage": usage})


class Turns:
    """Answers one body after the other, the last one for ever, and keeps the requests."""

    def __init__(self, *bodies: bytes) -> None:
        self.bodies = bodies
        self.requests: list[Any] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(msgspec.json.decode(request.content))
        return httpx.Response(200, content=self.bodies[min(len(self.requests), len(self.bodies)) - 1])

    @asynccontextmanager
    async def client(self) -> AsyncIterator[LLMClient]:
        """A client that gets these answers."""
        async with httpx.AsyncClient(transport=httpx.MockTransport(self)) as http:
            yield LLMClient.create("openai", "m", "k", http_client=http)


RUNNING: list[int] = [0, 0]
"""How many slow tools run now, and how many did at most."""


async def slow(seconds: float) -> str:
    """Wait."""
    RUNNING[0] += 1
    RUNNING[1] = max(RUNNING)
    await anyio.sleep(seconds)
    RUNNING[0] -= 1
    return "waited"


def broken(x: int) -> str:
    """Fails."""
    raise ValueError(f"no {x}")


FIRST = answer(("slow", '{"seconds":0.1}'), ("slow", '{"seconds":0.1}'), ("broken", '{"x":1}'), ("gone", "{}"))


@pytest.mark.anyio
async def test_run_tools() -> None:
    """Calls run side by side; what fails, and what is not there, is told to the model; it goes on until it stops."""
    server = Turns(FIRST, answer(text="done"))
    async with server.client() as client:
        RUNNING[:] = [0, 0]
        run = await client.run_tools("go", [slow, broken])
    assert RUNNING == [0, 2]
    second = server.requests[1]
    assert (run.finished, run.rounds, run.response.content) == (True, 2, "done")
    assert run.usage.total_tokens == 14
    results = [message for message in second["messages"] if message["role"] == "tool"]
    assert [result["content"] for result in results] == [
        "waited",
        "waited",
        "ValueError: no 1",
        "there is no tool 'gone'; there are slow, broken",
    ]
    assert [message.role for message in run.messages] == ["user", "assistant", *["tool"] * 4, "assistant"]


@pytest.mark.anyio
async def test_run_tools_is_bounded() -> None:
    """A model that never stops is stopped, and the run says so."""
    server = Turns(answer(("slow", '{"seconds":0}')))
    async with server.client() as client:
        run = await client.run_tools("go", [slow], max_rounds=3)
        with pytest.raises(ConfigurationError, match="function to run"):
            await client.run_tools("go", [Tool("f")])
    assert (run.finished, run.rounds) == (False, 3)
    assert len(server.requests) == 3


@pytest.mark.anyio
async def test_run_tools_is_cancelled() -> None:
    """Cancelling the run cancels the tools."""
    server = Turns(answer(("slow", '{"seconds":60}')))
    async with server.client() as client:
        with anyio.move_on_after(0.2) as scope:
            await client.run_tools("go", [slow])
    assert scope.cancelled_caught


def test_run_tools_synchronously() -> None:
    """The synchronous client runs them in threads."""
    with httpx.Client(transport=httpx.MockTransport(Turns(FIRST, answer(text="done")))) as http:
        client = SyncLLMClient.create("openai", "m", "k", http_client=http)
        run = client.run_tools("go", [slow, broken])
    assert run.response.content == "done"
    assert [message.is_error for message in run.messages if message.role == "tool"] == [False, False, True, True]
