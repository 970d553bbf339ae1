"""A conversation with tools: its events and transcript, whatever the dialect, the loop and the tools do."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Iterator
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx
import msgspec
import pytest

from miiflow_llm import LLMClient, SyncLLMClient
from miiflow_llm.core.exceptions import (
    AuthenticationError,
    ConfigurationError,
    RateLimitError,
    ServiceUnavailableError,
)
from miiflow_llm.core.messages import ImageBlock, ToolCall
from miiflow_llm.core.response import StreamChunk
from miiflow_llm.core.tool_events import ToolFinished, ToolStarted
from miiflow_llm.replay.fake import FakeError

from .driving import PLAYERS, PROVIDERS, Script, play

pytestmark = pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")  # trio's, of httpx's own

WAYS = [(player, streaming) for player in PLAYERS for streaming in (False, True)]
EVERY = pytest.mark.parametrize(("player", "streaming"), WAYS)


def tide(port: str) -> str:
    """The tide."""
    return f"high at {port}"


async def depth(port: str) -> int:
    """The depth."""
    await anyio.lowlevel.checkpoint()
    return len(port)


CALLS = {"text": "Let me look.", "tool_calls": [("tide", {"port": "Oban"}), ("depth", {"port": "Ayr"})]}
DONE = {"text": "All is well."}


@EVERY
@pytest.mark.parametrize("dialect", PROVIDERS)
def test_a_whole_conversation(dialect: str, player: str, *, streaming: bool) -> None:
    """In every dialect and on every player: answer, calls, results, answer, and one transcript of it all."""
    played = play([CALLS, DONE], [tide, depth], dialect=dialect, player=player, streaming=streaming)
    assert played.error is None
    run = played.run
    assert run is not None
    assert (run.finished, run.rounds, run.response.content) == (True, 2, "All is well.")
    assert played.told == ["high at Oban", "3"]
    assert [message.role for message in run.messages] == ["user", "assistant", "tool", "tool", "assistant"]
    assert run.usage.prompt_tokens == 16
    assert len(played.requests) == 2
    if streaming:
        assert played.kinds[0] == "StreamChunk"
        assert sorted(played.kinds[1:-1]) == ["ToolFinished"] * 2 + ["ToolStarted"] * 2
        assert played.kinds[-1] == "StreamChunk"


def test_what_events_say() -> None:
    """Chunks of each answer end with its finish reason; a call's events have its round, itself, its result and time."""
    played = play([CALLS, DONE], [tide, depth], streaming=True)
    chunks = [event for event in played.events if isinstance(event, StreamChunk)]
    assert "".join(chunk.delta for chunk in chunks) == "Let me look.All is well."
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["tool_calls", "stop"]
    started = [event for event in played.events if isinstance(event, ToolStarted)]
    finished = {event.call.name: event for event in played.events if isinstance(event, ToolFinished)}
    assert [(event.round, event.call.name, event.call.parsed()) for event in started] == [
        (1, "tide", {"port": "Oban"}),
        (1, "depth", {"port": "Ayr"}),
    ]
    assert finished["tide"].content == "high at Oban"
    assert not finished["tide"].is_error
    assert finished["tide"].approved
    assert finished["depth"].duration_ms > 0
    assert msgspec.json.decode(msgspec.json.encode(started[0]))["call"]["name"] == "tide"


class Clock:
    """Tools that end when told."""

    def __init__(self) -> None:
        self.quick_is_told = threading.Event()

    async def slow(self) -> str:
        """Ends only after the quick one's result was seen."""
        await anyio.to_thread.run_sync(self.quick_is_told.wait, 30)
        return "slow"

    def quick(self) -> str:
        """Ends at once."""
        return "quick"


@pytest.mark.parametrize("player", PLAYERS)
def test_a_slow_call_holds_no_result_back(player: str) -> None:
    """Results come as they are had; the model is told them in the order of its calls."""
    clock = Clock()

    def saw(event: Any) -> bool:
        if isinstance(event, ToolFinished) and event.call.name == "quick":
            clock.quick_is_told.set()
        return False

    turns = [{"tool_calls": [("slow", {}), ("quick", {})]}, DONE]
    played = play(turns, [clock.slow, clock.quick], player=player, streaming=True, stop_after=saw)
    finished = [event.call.name for event in played.events if isinstance(event, ToolFinished)]
    assert finished == ["quick", "slow"]
    assert played.told == ["slow", "quick"]


CALLER: contextvars.ContextVar[str] = contextvars.ContextVar("CALLER", default="nobody")


@EVERY
def test_tools_see_the_callers_context(player: str, *, streaming: bool) -> None:
    """Context variables (a tracer's span, say) are those of who asked, in sync and async tools."""

    def whose() -> str:
        return CALLER.get()

    async def whose_later() -> str:
        return CALLER.get()

    CALLER.set("caller")
    turns = [{"tool_calls": [("whose", {}), ("whose_later", {})]}, DONE]
    assert play(turns, [whose, whose_later], player=player, streaming=streaming).told == ["caller", "caller"]


@pytest.mark.parametrize("player", PLAYERS)
def test_at_most_so_many_at_once(player: str) -> None:
    """`max_concurrency` bounds the calls that run."""
    running, most, lock = 0, 0, threading.Lock()

    async def count(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        await anyio.sleep(0.01)
        with lock:
            running -= 1
        return number

    turns = [{"tool_calls": [("count", {"number": number}) for number in range(9)]}, DONE]
    played = play(turns, [count], player=player, streaming=True, max_concurrency=3)
    assert played.told == [str(number) for number in range(9)]
    assert most == 3


# what a tool may do


class Unsayable:
    """An object whose words cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class UnsayableError(Exception):
    """An error whose words cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def circular() -> Any:
    """A value in itself."""
    value: dict[str, Any] = {"a": 1}
    value["self"] = value
    return value


def deep() -> Any:
    """A value too deep for any recursion."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


def raises(error: BaseException) -> Any:
    """A tool that raises."""

    def tool() -> str:
        raise error

    return tool


def raises_later(error: BaseException) -> Any:
    """An asynchronous tool that raises."""

    async def tool() -> str:
        await anyio.lowlevel.checkpoint()
        raise error

    return tool


def gives(value: Any) -> Any:
    """A tool that returns a value."""

    def tool() -> Any:
        return value

    return tool


async def group_of_errors() -> str:
    """Fails in a task group of its own."""

    async def fail(number: int) -> None:
        raise ValueError(f"no {number}")

    async with anyio.create_task_group() as group:
        group.start_soon(fail, 1)
    return "never"


async def broken_off() -> str:
    """Raises the cancellation that nobody asked for."""
    raise asyncio.CancelledError


BEHAVIOURS: dict[str, tuple[Any, str]] = {
    "circular": (circular, '{"a":1,"self":"(circular)"}'),
    "deep": (deep, "(nested too deep)"),
    "unsayable": (gives(Unsayable()), "a Unsayable that has no words: RuntimeError"),
    "unsayable inside": (gives({"a": [Unsayable()]}), '{"a":["(a Unsayable that has no words'),
    "unsayable error": (raises(UnsayableError()), "UnsayableError: (a UnsayableError that has no words"),
    "lone surrogate": (gives("a\ud800b"), "a\ufffdb"),
    "surrogate pair in halves": (gives("\ud83d\ude00"), "\U0001f600"),
    "NUL": (gives("a\x00b"), "a\ufffdb"),
    "surrogate inside": (gives({"k\ud800": ["\udfff"]}), '{"k\ufffd":["\ufffd"]}'),
    "surrogate in an error": (raises(ValueError("\ud800")), "ValueError: \ufffd"),
    "exit": (raises(SystemExit(2)), "SystemExit: 2"),
    "end of an iterator": (raises(StopIteration()), "StopIteration"),
    "end of an iterator, async": (raises_later(StopAsyncIteration()), "StopAsyncIteration"),
    "group": (group_of_errors, "; ValueError: no 1"),
    "timeout": (raises(TimeoutError("late")), "TimeoutError: late"),
    "recursion": (raises(RecursionError("deep")), "RecursionError: deep"),
    "our own error": (raises(AuthenticationError("no key")), "AuthenticationError: no key"),
    "cancelled by itself": (broken_off, "CancelledError"),
    "nothing": (gives(None), "null"),
    "empty text": (gives(""), ""),
    "a class": (gives(int), "<class 'int'>"),
    "a huge number": (gives(10**6000), "bits"),
    "not a number": (gives([float("nan"), float("inf")]), '["nan","inf"]'),
    "a set": (gives({1}), "[1]"),
    "odd keys": (gives({1: "a", (1, 2): "b", None: "c"}), '{"1":"a","(1, 2)":"b","None":"c"}'),
    "bytes that are text": (gives(b"plain"), "plain"),
    "bytes that are nothing": (gives(b"\x00\xff" * 9), "(18 bytes of data)"),
}


@EVERY
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_the_loop_never_dies_of_a_tool(behaviour: str, player: str, *, streaming: bool) -> None:
    """Whatever a tool returns or raises, the model is told in words, and the conversation goes on."""
    tool, words = BEHAVIOURS[behaviour]
    if player == "trio" and behaviour == "cancelled by itself":
        pytest.skip("trio knows no such exception")
    tool.__name__ = "tool"
    turns = [{"tool_calls": [("tool", {}), ("tide", {"port": "Oban"})]}, DONE]
    played = play(turns, [tool, tide], player=player, streaming=streaming)
    assert played.error is None
    assert played.run is not None
    assert played.run.finished
    assert words in played.told[0]
    assert played.told[1] == "high at Oban"
    for request in played.requests:
        assert "\ufffd" not in words or "\\ud8" not in str(request)


@EVERY
@pytest.mark.parametrize("dialect", PROVIDERS)
def test_odd_results_are_sent_in_every_dialect(dialect: str, player: str, *, streaming: bool) -> None:
    """No dialect chokes on them: each result reaches the wire."""
    odd = ["circular", "lone surrogate", "NUL", "unsayable", "empty text", "nothing", "huge"]
    values = {name: BEHAVIOURS[name][0]() if name in BEHAVIOURS else 10**6000 for name in odd}

    def odd_value(name: str) -> Any:
        return values[name]

    turns = [{"tool_calls": [("odd_value", {"name": name}) for name in odd]}, DONE]
    played = play(turns, [odd_value], dialect=dialect, player=player, streaming=streaming)
    assert played.error is None
    assert len(played.requests) == 2
    assert len(played.told) == len(odd)


class StopTheProgramError(BaseException):
    """What is not a tool's failure, like KeyboardInterrupt."""


@EVERY
@pytest.mark.parametrize("make", [raises, raises_later])
def test_what_ends_a_program_gets_out_as_it_is(make: Any, player: str, *, streaming: bool) -> None:
    """Never in an exception group, and the other calls are broken off."""

    async def forever() -> str:
        await anyio.sleep(60)
        return "never"

    stop = make(StopTheProgramError())
    stop.__name__ = "stop"
    tools = [stop, tide] if player == "threads" else [stop, forever]
    turns = [{"tool_calls": [("forever", {}), ("stop", {})]}]
    began = time.monotonic()
    with pytest.raises(StopTheProgramError):
        play(turns, tools, player=player, streaming=streaming)
    assert time.monotonic() - began < 30


# approval


@EVERY
@pytest.mark.parametrize("asynchronous", [False, True])
def test_approval(player: str, *, streaming: bool, asynchronous: bool) -> None:
    """Each call is asked for, one at a time and in order, before any is run; a refusal is told to the model."""
    asked: list[str] = []
    ran: list[str] = []

    def act(number: int) -> str:
        ran.append(str(number))
        return f"done {number}"

    def decide(call: ToolCall) -> bool | str:
        assert not ran
        number = call.parsed()["number"]
        asked.append(str(number))
        verdicts: list[bool | str] = [True, False, "not on Sundays", True]
        return verdicts[number]

    async def decide_later(call: ToolCall) -> bool | str:
        await anyio.lowlevel.checkpoint()
        return decide(call)

    turns = [{"tool_calls": [("act", {"number": number}) for number in range(4)]}, DONE]
    approve = decide_later if asynchronous else decide
    played = play(turns, [act], player=player, streaming=streaming, approve=approve)
    assert asked == ["0", "1", "2", "3"]
    assert sorted(ran) == ["0", "3"]
    assert played.told == ["done 0", "the user did not allow this call", "not on Sundays", "done 3"]
    if streaming:
        finished = {event.call.id: event for event in played.events if isinstance(event, ToolFinished)}
        assert [event.approved for event in finished.values() if event.is_error] == [False, False]
        assert len([event for event in played.events if isinstance(event, ToolStarted)]) == 2


@EVERY
@pytest.mark.parametrize("verdict", [None, 1, {"ok": True}, []])
def test_a_verdict_is_plain(verdict: Any, player: str, *, streaming: bool) -> None:
    """What is neither a truth value nor words lets nothing run: it is a mistake, and says so."""
    ran: list[str] = []

    def act() -> None:
        ran.append("ran")

    played = play(
        [{"tool_calls": [("act", {})]}, DONE], [act], player=player, streaming=streaming, approve=lambda call: verdict
    )
    assert isinstance(played.error, ConfigurationError)
    assert "approve() returned" in str(played.error)
    assert ran == []


@EVERY
def test_what_approval_raises_gets_out(player: str, *, streaming: bool) -> None:
    """The hook is the caller's own code: its error is the caller's, as it is."""

    def ask(call: ToolCall) -> bool:
        raise LookupError(call.name)

    with pytest.raises(LookupError, match="tide"):
        play([CALLS], [tide, depth], player=player, streaming=streaming, approve=ask)


# ends


@EVERY
def test_max_rounds_says_so(player: str, *, streaming: bool, caplog: pytest.LogCaptureFixture) -> None:
    """A model that never stops is stopped; the run and a warning say so, and the calls were not run."""
    ran: list[str] = []

    def again() -> None:
        ran.append("ran")

    played = play([{"tool_calls": [("again", {})]}], [again], player=player, streaming=streaming, max_rounds=3)
    assert played.run is not None
    assert (played.run.finished, played.run.rounds, len(ran), len(played.requests)) == (False, 3, 2, 3)
    assert "max_rounds=3" in caplog.text


@EVERY
@pytest.mark.parametrize("midstream", [False, True])
def test_a_failure_in_a_later_round_keeps_what_there_is(player: str, *, streaming: bool, midstream: bool) -> None:
    """The error has the conversation and the usage of all rounds; going on from there works."""
    if midstream and not streaming:
        pytest.skip("a whole answer has no middle")
    failing = {"text": "So far", "error": FakeError("overloaded", status=503, midstream=midstream)}
    played = play([CALLS, CALLS, failing], [tide, depth], player=player, streaming=streaming)
    error = played.error
    assert isinstance(error, ServiceUnavailableError)
    assert [message.role for message in error.messages] == ["user", *["assistant", "tool", "tool"] * 2]
    assert error.usage is not None
    assert error.usage.prompt_tokens == 16
    if midstream:
        assert error.partial is not None
        assert error.partial.content == "So far"
    script = Script("openai_chat", [DONE], streaming=False)
    with httpx.Client(transport=httpx.MockTransport(script)) as http:
        run = SyncLLMClient.create("openai", "m", "k", http_client=http).run_tools(error.messages, [tide, depth])
    assert run.finished
    assert len(script.requests[0]["messages"]) == 7


@EVERY
def test_a_failure_in_the_first_round(player: str, *, streaming: bool) -> None:
    """The error has the messages that were given."""
    played = play(
        [{"error": FakeError("slow down", status=429, code="rate_limit_exceeded")}],
        [tide],
        player=player,
        streaming=streaming,
    )
    assert isinstance(played.error, RateLimitError)
    assert [message.text for message in played.error.messages] == ["go"]


PICTURE = ImageBlock("data:image/png;base64,iVBORw0KGgo=")


@EVERY
@pytest.mark.parametrize("dialect", PROVIDERS)
def test_pictures_in_results(dialect: str, player: str, *, streaming: bool) -> None:
    """A result of text and images goes on in every dialect: shown where it can be, never as base64 in a text."""

    def look() -> Any:
        return ("a chart", PICTURE, {"scale": 2})

    played = play([{"tool_calls": [("look", {})]}, DONE], [look], dialect=dialect, player=player, streaming=streaming)
    assert played.error is None, str(played.error)
    assert played.run is not None
    texts = [text for text in strings(played.requests[1]) if "iVBORw0KGgo" in text]
    assert texts in ([], ["iVBORw0KGgo="], ["data:image/png;base64,iVBORw0KGgo="])
    assert any("a chart" in text for text in strings(played.requests[1]))


def strings(value: Any) -> Iterator[str]:
    """Every text in a request."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


@EVERY
def test_what_this_model_cannot_be_shown(player: str, *, streaming: bool) -> None:
    """A picture that its wire refuses does not end the conversation: the model is told that it was left out."""

    def look() -> Any:
        return ["a chart", ImageBlock("https://example.com/chart.png")]

    played = play(
        [{"tool_calls": [("look", {})]}, DONE], [look], dialect="ollama_chat", player=player, streaming=streaming
    )
    assert played.error is None, str(played.error)
    assert played.run is not None
    assert played.run.finished
    assert played.told == ["a chart(image left out: this model is shown none)"]


# leaving


@pytest.mark.parametrize("player", PLAYERS)
def test_leaving_while_calls_run(player: str) -> None:
    """Leaving cancels the calls of a loop at once; threads start no further one."""
    ended: list[str] = []

    async def wait(seconds: float) -> str:
        try:
            await anyio.sleep(seconds)
        except BaseException:
            ended.append("cancelled")
            raise
        return "waited"

    seconds = 0.05 if player == "threads" else 60
    turns = [{"tool_calls": [("wait", {"seconds": 0}), *[("wait", {"seconds": seconds})] * 6]}]
    began = time.monotonic()
    played = play(
        turns,
        [wait],
        player=player,
        streaming=True,
        max_concurrency=8,
        stop_after=lambda event: isinstance(event, ToolFinished),
    )
    assert time.monotonic() - began < 20
    assert played.kinds[-1] == "ToolFinished"
    assert ended == ([] if player == "threads" else ["cancelled"] * len(ended))
    assert bool(ended) == (player != "threads")


@pytest.mark.anyio
async def test_cancelling_a_step_cancels_the_calls() -> None:
    """As cancelling `run_tools` does."""
    state: list[str] = []

    async def wait() -> str:
        state.append("began")
        try:
            await anyio.sleep(60)
        except BaseException:
            state.append("cancelled")
            raise
        return "waited"

    script = Script("openai_chat", [{"tool_calls": [("wait", {})]}], streaming=True)
    async with httpx.AsyncClient(transport=httpx.MockTransport(script)) as http:
        stream = LLMClient.create("openai", "m", "k", http_client=http).stream_tools("go", [wait])
        with anyio.move_on_after(0.2) as scope:
            async for _ in stream:
                pass
        await anyio.wait_all_tasks_blocked()
        await stream.aclose()
    assert scope.cancelled_caught
    assert state == ["began", "cancelled"]


@pytest.mark.anyio
async def test_a_generator_may_hold_it() -> None:
    """It may stand in an asynchronous generator that another task closes: nothing of it is bound to a task."""
    script = Script("openai_chat", [{"text": "a b c", "tool_calls": [("depth", {"port": "x"})]}, DONE], streaming=True)
    async with httpx.AsyncClient(transport=httpx.MockTransport(script)) as http:
        client = LLMClient.create("openai", "m", "k", http_client=http)

        async def events() -> Any:
            async with client.stream_tools("go", [depth]) as stream:
                async for event in stream:
                    yield event

        seen: list[Any] = []
        source = events()

        async def close(events: Any) -> None:
            await events.aclose()

        async def take(until: type) -> None:
            async for event in source:
                seen.append(event)
                if isinstance(event, until):
                    return

        async with anyio.create_task_group() as group:
            group.start_soon(take, ToolStarted)
        async with anyio.create_task_group() as group:
            group.start_soon(take, ToolFinished)
        async with anyio.create_task_group() as group:
            group.start_soon(close, source)
    assert isinstance(seen[-1], ToolFinished)


@pytest.mark.anyio
async def test_two_tasks_on_one_stream() -> None:
    """They are an error, not a muddle."""
    caught: list[Exception] = []
    script = Script("openai_chat", [{"text": "a"}], streaming=True)

    async def consume(stream: Any) -> None:
        try:
            async for _ in stream:
                await anyio.lowlevel.checkpoint()
        except ConfigurationError as error:
            caught.append(error)

    async with httpx.AsyncClient(transport=Slow(script)) as http:
        stream = LLMClient.create("openai", "m", "k", http_client=http).stream_tools("go", [tide])
        async with anyio.create_task_group() as group:
            group.start_soon(consume, stream)
            group.start_soon(consume, stream)
    assert "two tasks" in str(caught[0])


class Slow(httpx.MockTransport):
    """Answers after a while."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await anyio.sleep(0.05)
        return await super().handle_async_request(request)


def test_before_it_begins() -> None:
    """Nothing has come: the run and the answer say what to do; bounds and tools are checked at once."""
    client = SyncLLMClient.create("openai", "m", "k")
    stream = client.stream_tools("go", [tide])
    for look in (lambda: stream.run, lambda: stream.response):
        with pytest.raises(ConfigurationError, match="iterate"):
            look()
    with pytest.raises(ConfigurationError, match="1 or more"):
        client.stream_tools("go", [tide], max_rounds=0)
    with pytest.raises(ConfigurationError, match="function to run"):
        client.stream_tools("go", [{"name": "f", "parameters": {"type": "object"}}])


@pytest.mark.parametrize("player", PLAYERS)
def test_a_schema_beside_tools(player: str) -> None:
    """The last answer is a value of the type, streamed as it is whole."""
    for streaming in (False, True):
        turns = [CALLS, {"text": '{"high": "3 pm"}'}]
        played = play(turns, [tide, depth], player=player, streaming=streaming, schema=dict[str, str])
        assert played.run is not None, played.error
        assert played.run.response.structured_output == {"high": "3 pm"}
