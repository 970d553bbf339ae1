"""Virtual time: recorded streams, stalls, deadlines and retries take no real time and keep their order and moments."""

from __future__ import annotations

import asyncio
import itertools
import re
import threading
import time
from pathlib import Path

import anyio
import httpx
import msgspec
import pytest
import trio
import trio.testing

import miiflow_llm
from miiflow_llm import LLMClient
from miiflow_llm.core import clock
from miiflow_llm.core.exceptions import TimeoutError
from miiflow_llm.core.response import ChatResponse
from miiflow_llm.core.timeout import Timeout
from miiflow_llm.replay import (
    ReplayServer,
    ReplayTransport,
    Stall,
    StatusFirst,
    VirtualTimeLoop,
    fake_body,
    virtual_time,
)
from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.cuts import cuts
from miiflow_llm.replay.faults import Fault, Trickle
from miiflow_llm.replay.recorder import RecordingTransport
from miiflow_llm.replay.store import load

pytestmark = pytest.mark.anyio
SECONDS = 4.0


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    """Every test here runs in virtual time, on both."""
    return virtual_time(request.param)


@pytest.fixture(autouse=True)
def as_before():
    """The tests after these have the real clock."""
    yield
    clock.monotonic = time.monotonic


def tides() -> Capture:
    """A stream of ten words that took more than 40 seconds, its head one and a half."""
    capture = fake_body("openai_chat", text="The water comes and goes twice a day, every day.")
    reads = [(place * 1000 * SECONDS, len(piece)) for place, piece in enumerate(cuts(capture))]
    return msgspec.structs.replace(capture, reads=reads, head_ms=1500.0)


class Run:
    """A stream as a caller sees it: each chunk with the virtual second in which it came, and what it came to."""

    def __init__(self, transport: httpx.AsyncBaseTransport, **options: object) -> None:
        self.transport = transport
        self.options = options
        self.seen: list[tuple[float, str]] = []
        self.response: ChatResponse | None = None

    async def __call__(self, pause: float = 0.0) -> Run:
        """Ask; the caller takes `pause` seconds over each chunk."""
        async with httpx.AsyncClient(transport=self.transport) as http:
            client = LLMClient.create("openai", "m", api_key="any-key", http_client=http, **self.options)  # type: ignore[arg-type]
            async with client.stream_chat("When is high water?") as stream:
                async for chunk in stream:
                    self.seen.append((round(anyio.current_time(), 6), chunk.delta or chunk.finish_reason or ""))
                    await anyio.sleep(pause)
                self.response = stream.response
        return self


def recorded(fault: Fault | list[Fault] | None = None) -> ReplayTransport:
    """The stream with its recorded times."""
    return ReplayTransport([tides()], cut="recorded", pace=1, fault=fault)


async def test_chunks_come_at_their_recorded_moments() -> None:
    """Each chunk comes at the virtual second at which it was recorded, and the latencies are those seconds."""
    run = await Run(recorded())()
    first, *_ = (place for place, piece in enumerate(cuts(tides())) if b"The " in piece)
    words = [word for _, word in run.seen if word != "stop"]
    assert "".join(words) == "The water comes and goes twice a day, every day."
    moments = [moment for moment, word in run.seen if word != "stop"]
    assert moments == [1.5 + SECONDS * place for place in range(first, first + len(words))]
    assert run.seen[-1] == (1.5 + SECONDS * (len(cuts(tides())) - 1), "stop")
    assert run.response is not None
    assert run.response.latency_ms == run.seen[-1][0] * 1000 > 40_000
    assert run.response.time_to_first_token_ms == run.seen[0][0] * 1000
    assert run.response.attempts[0].connect_ms == 1500


async def test_the_order_of_events_is_kept() -> None:
    """What else the program does falls between the chunks where it would in real time."""
    run = Run(recorded())

    async def tick() -> None:
        await anyio.sleep(1.6)
        while True:
            await anyio.sleep(3.0)
            run.seen.append((round(anyio.current_time(), 6), "tick"))

    async with anyio.create_task_group() as group:
        group.start_soon(tick)
        await run()
        group.cancel_scope.cancel()
    moments = [moment for moment, _ in run.seen]
    assert moments == sorted(moments)
    assert [word for _, word in run.seen][:6] == ["tick", "The ", "tick", "water ", "tick", "comes "]
    assert sum(word == "tick" for _, word in run.seen) == 17


async def test_the_consumers_own_time_counts() -> None:
    """A consumer that is slower than the stream finds the next chunk there when it comes back, and no idle timeout."""
    run = await Run(recorded(), timeout=Timeout(idle=5.0, first_output=30.0))(pause=20.0)
    moments = [moment for moment, _ in run.seen]
    assert {round(later - sooner, 6) for sooner, later in itertools.pairwise(moments)} == {20.0}


async def test_ten_minutes_of_silence_are_an_idle_timeout() -> None:
    """A stall in the middle ends after the idle timeout to the second, with what came so far."""
    begun = tides().body.index(b"comes")
    run = Run(recorded(Stall(begun, 600)), timeout=Timeout(idle=90.0, first_output=30.0, total=None))
    with pytest.raises(TimeoutError) as caught:
        await run()
    assert caught.value.phase == "idle"
    assert anyio.current_time() == pytest.approx(run.seen[-1][0] + 90.0)
    assert caught.value.partial is not None
    assert caught.value.partial.message.text.startswith("The water ")


@pytest.mark.parametrize(
    ("phase", "limits", "seconds"),
    [
        ("first_output", Timeout(first_output=20.0), 20.0),
        ("total", Timeout(first_output=600.0, idle=None, total=31.0), 31.0),
    ],
)
async def test_deadlines_are_virtual(phase: str, limits: Timeout, seconds: float) -> None:
    """What trickles without output reaches its deadline at that virtual second."""
    capture = msgspec.structs.replace(tides(), body=b": still there\n\n" * 100 + tides().body, reads=None)
    run = Run(ReplayTransport([capture], fault=Trickle(3.0)), timeout=limits, max_retries=0)
    with pytest.raises(TimeoutError) as caught:
        await run()
    assert (caught.value.phase, anyio.current_time()) == (phase, pytest.approx(seconds))


async def test_a_stall_that_ends_is_only_late() -> None:
    """A stall shorter than the timeout delays what follows it, and nothing else."""
    run = await Run(recorded(Stall(tides().body.index(b"comes"), 60)))()
    assert run.seen[-1][0] == 1.5 + SECONDS * (len(cuts(tides())) - 1) + 60


async def test_retries_wait_in_virtual_time() -> None:
    """The provider's own hint is waited for to the second."""
    refusal = StatusFirst(429, headers={"retry-after": "17"})
    run = await Run(ReplayTransport([tides()], fault=refusal), timeout=Timeout(total=None))()
    assert run.response is not None
    assert [attempt.status for attempt in run.response.attempts] == [429, 200]
    assert 17.0 <= run.seen[0][0] < 22.0


async def test_a_recording_of_a_replay_has_its_times(tmp_path) -> None:
    """What is recorded while a capture is replayed in virtual time has the capture's own read boundaries."""
    recorder = RecordingTransport(tmp_path, recorded(), name="again", provider="openai")
    await Run(recorder)()
    again = load(tmp_path / "openai" / "again")
    assert (again.reads, again.head_ms, again.body) == (tides().reads, 1500.0, tides().body)


@pytest.mark.virtual_time(autojump_threshold=0.02)
@pytest.mark.parametrize("transport", ["lean", "httpx"])
async def test_a_server_in_the_same_loop(transport: str) -> None:
    """With a threshold real sockets are given their time; the server's waits and the client's are skipped together."""
    async with ReplayServer([tides()], cut="recorded", pace=1) as server:
        url = server.url_for("openai")
        client = LLMClient.create("openai", "m", api_key="k", base_url=url, transport=transport)  # type: ignore[arg-type]
        async with client, client.stream_chat("When is high water?") as stream:
            seen = [(round(anyio.current_time(), 6), chunk.delta) async for chunk in stream if chunk.delta]
    assert seen[0] == (1.5 + SECONDS, "The ")
    assert seen[-1] == (1.5 + SECONDS * len(seen), "day.")


@pytest.mark.virtual_time(autojump_threshold=0.02)
@pytest.mark.parametrize("transport", ["lean", "httpx"])
async def test_a_server_that_stalls(transport: str) -> None:
    """The idle timeout of a connection of our own is virtual too."""
    async with ReplayServer([tides()], fault=Stall(tides().body.index(b"comes"), 600)) as server:
        url, limits = server.url_for("openai"), Timeout(idle=90.0, first_output=30.0)
        client = LLMClient.create("openai", "m", api_key="k", base_url=url, transport=transport, timeout=limits)  # type: ignore[arg-type]
        with pytest.raises(TimeoutError):
            async with client, client.stream_chat("When is high water?") as stream:
                async for _ in stream:
                    pass
    assert anyio.current_time() == pytest.approx(90.0, abs=2.0)


def test_trios_own_clock_is_followed() -> None:
    """A `MockClock` that somebody else gave to trio is the client's clock as well."""
    clock.monotonic = time.monotonic
    run = trio.run(Run(recorded()), clock=trio.testing.MockClock(autojump_threshold=0))
    assert run.response.latency_ms == run.seen[-1][0] * 1000


async def test_leaving_early_is_free() -> None:
    """Whoever leaves a stream does not wait for its rest."""
    with anyio.move_on_after(10.0) as scope:
        await Run(recorded())()
    assert scope.cancelled_caught
    assert anyio.current_time() == 10.0


def test_only_virtual_loops_are_followed() -> None:
    """In a real loop, and in no loop, the clock stays the real one, in every thread."""
    virtual_time()
    seen = list[float]()

    async def look() -> None:
        seen.append(clock.monotonic())

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(look())
        thread = threading.Thread(target=lambda: seen.append(clock.monotonic()))
        thread.start()
        thread.join()
    asyncio.run(look())
    seen.append(clock.monotonic())
    assert seen[0] == 0.0
    assert seen[1:] == sorted(seen[1:])
    assert min(seen[1:]) > 0.0


def test_the_client_has_one_clock() -> None:
    """No module of the asynchronous client or its engine asks another clock than the one that can be made virtual."""
    package = Path(miiflow_llm.__file__).parent
    modules = [*package.glob("*.py"), *(package / "wire").rglob("*.py")]
    asking = re.compile(r"\b(?:time\.(?:monotonic|perf_counter)\(|from time import|perf_counter)")
    own = {path.stem for path in modules if asking.search(path.read_text())}
    assert own <= {"transport_sync"}  # without an event loop time is real


def test_an_unknown_backend() -> None:
    """Another backend is refused by name."""
    with pytest.raises(ValueError, match="curio"):
        virtual_time("curio")
