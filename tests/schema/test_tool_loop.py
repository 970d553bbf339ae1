"""What a run of tools does for its caller beyond running them: forced calls end, results of any kind are told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from miiflow_llm import SyncLLMClient
from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.core.messages import ImageBlock
from miiflow_llm.schema.tools import Tool, as_tool

from ..dialects.asking import PNG
from .test_tools import Turns, answer


@dataclass
class Tide:
    """A result."""

    day: date
    height: Decimal


def look() -> ImageBlock:
    """An image."""
    return ImageBlock(PNG)


def tide(port: str) -> Tide:
    """A value that JSON knows no more of than its members."""
    return Tide(date(2026, 11, 24), Decimal("1.50"))


@pytest.mark.anyio
@pytest.mark.parametrize("choice", ["required", "tide"])
async def test_a_forced_call_is_forced_once(choice: str) -> None:
    """A choice that forces a call holds for the first answer; else none would ever be the last."""
    server = Turns(answer(("tide", '{"port":"Oban"}')), answer(("tide", '{"port":"Ayr"}')), answer(text="done"))
    async with server.client() as client:
        run = await client.run_tools("x", [tide], tool_choice=choice)
    forced = choice if choice == "required" else {"type": "function", "function": {"name": "tide"}}
    assert [request.get("tool_choice") for request in server.requests] == [forced, "auto", "auto"]
    assert run.finished


@pytest.mark.anyio
@pytest.mark.parametrize("choice", ["none", None])
async def test_other_choices_hold(choice: str | None) -> None:
    """One that forces nothing holds for all answers."""
    server = Turns(answer(("tide", '{"port":"Oban"}')), answer(text="done"))
    async with server.client() as client:
        await client.run_tools("x", [tide], tool_choice=choice)
    assert [request.get("tool_choice") for request in server.requests] == [choice, choice]


def test_synchronously() -> None:
    """The synchronous client forces once too, and an image that the wire takes in no result comes after it."""
    server = Turns(answer(("look", "{}")), answer(text="done"))
    with httpx.Client(transport=httpx.MockTransport(server)) as http:
        client = SyncLLMClient.create("openai", "gpt-4.1", "k", http_client=http)
        run = client.run_tools("x", [look], tool_choice="required")
    assert [request.get("tool_choice") for request in server.requests] == ["required", "auto"]
    assert server.requests[1]["messages"][-1]["content"][1]["image_url"]["url"] == PNG
    assert run.response.content == "done"


async def result_of(*tools: Any, arguments: str = "{}") -> str:
    """What the model is told of the first tool's result."""
    server = Turns(answer((as_tool(tools[0]).name, arguments)), answer(text="done"))
    async with server.client() as client:
        await client.run_tools("x", tools)
    told = server.requests[1]["messages"][-1]["content"]
    assert isinstance(told, str)
    return told


@pytest.mark.anyio
async def test_results_are_told() -> None:
    """A dataclass is an object, a pydantic model its own JSON, what has no form its words, nothing null."""
    assert msgspec.json.decode(await result_of(tide, arguments='{"port":"Oban"}')) == {
        "day": "2026-11-24",
        "height": "1.50",
    }
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Wave", height=(float, ...), day=(date, ...))

    def wave() -> Any:
        return [model(height=2, day=date(2026, 1, 2))]

    def complex_number() -> complex:
        return 1 + 2j

    def nothing() -> None: ...

    assert msgspec.json.decode(await result_of(wave)) == [{"height": 2.0, "day": "2026-01-02"}]
    assert await result_of(complex_number) == '"(1+2j)"'
    assert await result_of(nothing) == "null"


@pytest.mark.anyio
async def test_wrong_arguments_are_told() -> None:
    """The model is told which arguments of which tool do not fit, and where."""
    told = await result_of(tide, arguments='{"port":3}')
    assert (
        told
        == "ParsingError: the arguments of 'tide' do not follow its parameters at $.port: Expected `str`, got `int`"
    )


def numbers() -> Iterator[int]:
    """Yields."""
    yield 1


async def later() -> AsyncIterator[int]:
    """Yields too."""
    yield 1


@pytest.mark.parametrize("function", [numbers, later])
def test_generators_are_no_tools(function: Any) -> None:
    """A function that yields has no result to tell."""
    with pytest.raises(ConfigurationError, match="yields"):
        as_tool(function)


def test_a_type_without_a_form() -> None:
    """A parameter that has no JSON form is an error in one plain line."""

    def odd(value: object) -> None: ...

    with pytest.raises(ConfigurationError, match="<class 'object'> is not supported") as caught:
        Tool.from_function(odd)
    assert "\n" not in caught.value.message
