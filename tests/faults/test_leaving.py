"""Whoever leaves gets out: every way to leave a stream closes its connection or gives it back, and warns of nothing."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import anyio.lowlevel
import httpx
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.calls.streams import ChatStream
from miiflow_llm.core.exceptions import ConfigurationError, MiiflowLLMError, StreamInterruptedError

from .helpers import client_at, until
from .server import HANG, LAST_CHUNK, FaultServer, Request, Steps, Wait, chunk
from .wire import Wire
from .wires import ANTHROPIC, OPENAI_CHAT, WIRES

ENDLESS = [*OPENAI_CHAT.begun(OPENAI_CHAT.opening, OPENAI_CHAT.hel), HANG]


HEAD_OF_A_503 = [b"HTTP/1.1 503 Down\r\nretry-after: 60\r\ncontent-length: 0\r\n\r\n"]


async def _first(stream: ChatStream) -> str:
    """The text up to the first word."""
    async for made in stream:
        if made.delta:
            return made.delta
    raise AssertionError("the stream had no text")


async def _break_off(client: LLMClient) -> None:
    async for made in client.stream_chat("Hi"):
        if made.delta:
            break
    gc.collect()


async def _gone(server: FaultServer) -> None:
    await until(lambda: server.open == 0)


async def _works(client: LLMClient) -> None:
    """The client still serves."""
    assert (await client.chat("Hi")).content == "Hello"


def _script(first: Steps) -> list[Steps]:
    """One answer for the stream that is left, whole ones for all requests after it."""
    return [first, [b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(OPENAI_CHAT.answer), OPENAI_CHAT.answer)]]


@pytest.mark.anyio
async def test_a_break_inside_async_with_closes_the_connection(transport: str) -> None:
    """Leaving the `async with` before the end hangs up, and the client serves on."""
    with FaultServer(_script(ENDLESS)) as server:
        async with client_at(server.url, transport) as client:
            async with client.stream_chat("Hi") as stream:
                assert await _first(stream) == "Hel"
            await _gone(server)
            assert client.get_metrics().abandoned == 1
            await _works(client)


@pytest.mark.anyio
async def test_tokens_of_a_stream_that_is_left_are_counted(transport: str) -> None:
    """What the provider had reported until then is in the response and in the metrics."""
    with FaultServer([[*ANTHROPIC.begun(ANTHROPIC.opening, ANTHROPIC.hel), HANG]]) as server:
        async with client_at(server.url, transport, ANTHROPIC) as client:
            async with client.stream_chat("Hi") as stream:
                await _first(stream)
            assert stream.response.usage.prompt_tokens == 3
            (target,) = client.get_metrics().targets.values()
            assert target.tokens.prompt_tokens == 3
            assert target.abandoned == 1


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_break_without_async_with_closes_the_connection_and_warns(transport: str) -> None:
    """A stream dropped in its middle warns once, hangs up and does not hang."""
    with FaultServer(_script(ENDLESS)) as server:
        async with client_at(server.url, transport) as client:
            with pytest.warns(ResourceWarning, match="dropped before its end"):
                await _break_off(client)
            await _gone(server)
            await _works(client)


@pytest.mark.anyio
async def test_an_exception_in_the_consumer_passes_and_closes_the_connection(transport: str) -> None:
    """The consumer's own exception arrives unchanged."""
    with FaultServer(_script(ENDLESS)) as server:
        async with client_at(server.url, transport) as client:
            with pytest.raises(ZeroDivisionError):
                async with client.stream_chat("Hi") as stream:
                    async for _ in stream:
                        1 / 0  # noqa: B018  raising is all it is for
            await _gone(server)
            await _works(client)


@pytest.mark.anyio
async def test_move_on_after_leaves_a_silent_stream(transport: str) -> None:
    """A deadline of the caller's own ends the wait in time and closes the connection."""
    with FaultServer(_script(ENDLESS)) as server:
        async with client_at(server.url, transport) as client:
            stream = client.stream_chat("Hi")
            assert await _first(stream) == "Hel"
            with anyio.move_on_after(0.05) as scope:
                async for _ in stream:
                    pass
            assert scope.cancelled_caught
            await _gone(server)
            await _works(client)


class _CancelAt:
    """Cancels `scope` when the task steps for the `k`-th time; counts its steps."""

    def __init__(self, k: int) -> None:
        self.k = k
        self.steps = 0
        self.scope = anyio.CancelScope()

    async def run(self, action: Callable[[], Awaitable[object]]) -> None:
        """Drive `action` by hand, so that each of its suspensions is seen."""
        with self.scope:
            await _Counted(self, action)


class _Counted:
    """An awaitable that passes each suspension on, after counting it."""

    def __init__(self, owner: _CancelAt, action: Callable[[], Awaitable[object]]) -> None:
        self._owner = owner
        self._inner = action().__await__()

    def __await__(self):  # type: ignore[no-untyped-def]
        owner, inner = self._owner, self._inner
        try:
            yielded = next(inner)
            while True:
                owner.steps += 1
                if owner.steps == owner.k:
                    owner.scope.cancel()
                try:
                    sent = yield yielded
                except BaseException as raised:
                    yielded = inner.throw(raised)
                else:
                    yielded = inner.send(sent)
        except StopIteration as done:
            return done.value


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
async def test_a_cancellation_at_every_await_leaks_nothing(wire: Wire, transport: str) -> None:
    """Cancelled at its k-th suspension, for every k: connection gone or reusable, the next call served, no warning."""
    slow = [
        wire.head(),
        Wait(0.002),
        chunk(wire.opening + wire.hel),
        Wait(0.002),
        chunk(wire.lo + wire.finish),
        Wait(0.002),
        chunk(wire.end) + LAST_CHUNK,
    ]
    with FaultServer(lambda request: slow) as server:
        points = await _cancelled_everywhere(server, transport, wire, _read)
    assert points >= 3
    gc.collect()


async def _read(client: LLMClient) -> None:
    async with client.stream_chat("Hi") as stream:
        assert "".join([made.delta async for made in stream]) == "Hello"


async def _cancelled_everywhere(
    server: FaultServer, transport: str, wire: Wire, call: Callable[[LLMClient], Awaitable[object]]
) -> int:
    """Cancel the call at its k-th suspension, for every k; how many there were."""
    for k in range(1, 200):
        async with client_at(server.url, transport, wire) as client:
            harness = _CancelAt(k)
            await harness.run(lambda: call(client))
            await until(lambda: server.open <= 1)
            metrics = client.get_metrics()
            assert metrics.finished + metrics.abandoned == 1
            assert metrics.failed == 0
            with anyio.fail_after(10):
                await call(client)
        await _gone(server)
        if harness.steps < k:
            return k - 1
    raise AssertionError("a call has no 200 suspensions")


@pytest.mark.anyio
async def test_a_whole_answer_cancelled_at_every_await_leaks_nothing(transport: str) -> None:
    """As for streams, with a body that comes in two parts."""
    body = OPENAI_CHAT.answer
    beginning = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body[:9]
    with FaultServer(lambda request: [Wait(0.002), beginning, Wait(0.002), body[9:]]) as server:
        assert await _cancelled_everywhere(server, transport, OPENAI_CHAT, _works) >= 3


@pytest.mark.anyio
async def test_a_retried_call_cancelled_at_every_await_leaks_nothing(transport: str) -> None:
    """Nor does one that waits between its attempts, or for the body of an error."""
    lines = b"HTTP/1.1 503 Down\r\nretry-after: 0.002\r\ncontent-length: 4\r\n\r\n"
    failing = [lines, Wait(0.002), b"down"]

    def script(request: Request) -> Steps:
        return failing if request.number % 2 == 0 else [Wait(0.002), *OPENAI_CHAT.streamed(OPENAI_CHAT.stream)]

    with FaultServer(script) as server:
        assert await _cancelled_everywhere(server, transport, OPENAI_CHAT, _read) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("how", ["dropped", "closed elsewhere", "closed with its client"])
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore:a stream was dropped:ResourceWarning")
def test_a_stream_may_outlive_its_event_loop(transport: str, how: str) -> None:
    """After its loop has gone a stream is dropped, or closed in another, without hanging, and the client serves on."""

    async def begin(client: LLMClient) -> ChatStream:
        stream = client.stream_chat("Hi")
        assert await _first(stream) == "Hel"
        return stream

    async def close(client: LLMClient, stream: ChatStream) -> None:
        with anyio.fail_after(10):
            await _works(client)
            await stream.aclose()
            if how == "closed with its client":
                await client.aclose()

    with FaultServer(_script(ENDLESS)) as server:
        client = client_at(server.url, transport)
        stream: ChatStream | None = asyncio.run(begin(client))
        if how == "dropped":
            stream = None
            gc.collect()
            asyncio.run(_works(client))
        else:
            asyncio.run(close(client, stream))
        del stream, client
        gc.collect()
        assert server.settled()


@pytest.mark.anyio
async def test_two_consumers_of_one_stream_are_an_error(transport: str) -> None:
    """The second reader is told, the first is not disturbed."""
    script = [*OPENAI_CHAT.begun(OPENAI_CHAT.opening), Wait(0.1), chunk(OPENAI_CHAT.stream) + LAST_CHUNK]
    with FaultServer([script]) as server:
        async with client_at(server.url, transport) as client, client.stream_chat("Hi") as stream:
            words: list[str] = []

            async def read() -> None:
                words.append(await _first(stream))

            async with anyio.create_task_group() as group:
                group.start_soon(read)
                await anyio.sleep(0.03)
                with pytest.raises(ConfigurationError, match="two tasks"):
                    await stream.__anext__()
            assert words == ["Hel"]


@pytest.mark.anyio
@pytest.mark.parametrize("begun", [OPENAI_CHAT.opening, OPENAI_CHAT.text + OPENAI_CHAT.finish], ids=["early", "late"])
async def test_another_task_may_close_a_stream(transport: str, begun: bytes) -> None:
    """`aclose` from elsewhere ends the iteration at once, without an error and without another attempt."""
    with FaultServer([[*OPENAI_CHAT.begun(begun), HANG]]) as server:
        async with client_at(server.url, transport) as client:
            stream = client.stream_chat("Hi")
            ended: list[str] = []

            async def read() -> None:
                assert not [made async for made in stream if made.finish_reason]
                ended.append("ended")

            with anyio.fail_after(10):
                async with anyio.create_task_group() as group:
                    group.start_soon(read)
                    await until(lambda: len(server.requests) == 1)
                    await anyio.sleep(0.05)
                    await stream.aclose()
            assert ended == ["ended"]
            assert len(server.requests) == 1
            await _gone(server)


@pytest.mark.anyio
@pytest.mark.parametrize("steps", [[HANG], [*HEAD_OF_A_503, HANG]], ids=["no head", "between attempts"])
async def test_another_task_may_close_a_stream_that_has_not_begun(transport: str, steps: Steps) -> None:
    """`aclose` from elsewhere ends the wait for a head, and the one before another attempt, at once."""
    with FaultServer([steps]) as server:
        async with client_at(server.url, transport) as client:
            stream = client.stream_chat("Hi")
            with anyio.fail_after(10):
                async with anyio.create_task_group() as group:

                    async def read() -> None:
                        with pytest.raises(StopAsyncIteration):
                            await stream.__anext__()

                    group.start_soon(read)
                    await until(lambda: len(server.requests) == 1)
                    await anyio.sleep(0.1)
                    await stream.aclose()
            assert len(server.requests) == 1
            assert client.get_metrics().abandoned == 1
        await _gone(server)


class _OnDemand(httpx.AsyncBaseTransport, httpx.AsyncByteStream):
    """Sends the head, or with `early` the body, when `go` is set."""

    def __init__(self, *, early: bool) -> None:
        self.asked, self.go = anyio.Event(), anyio.Event()
        self.early = early
        self.closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self.early:
            await self._wait()
        return httpx.Response(200, stream=self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self.early:
            await self._wait()
        yield OPENAI_CHAT.stream

    async def _wait(self) -> None:
        self.asked.set()
        await self.go.wait()

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")  # trio's, of httpx's own
@pytest.mark.parametrize("early", [False, True], ids=["head", "body"])
async def test_another_task_may_close_a_stream_as_its_answer_comes(early: bool) -> None:
    """What came, but was not yet seen, when `aclose` was called is not handed out, and its answer is closed too."""
    server = _OnDemand(early=early)
    async with httpx.AsyncClient(transport=server) as http, client_at("https://made", http_client=http) as client:
        stream = client.stream_chat("Hi")

        async def read() -> None:
            assert [made async for made in stream] == []

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await server.asked.wait()
            server.go.set()
            await stream.aclose()
        assert server.closed
        assert client.get_metrics().abandoned == 1


@pytest.mark.anyio
async def test_closing_the_client_ends_its_open_streams(transport: str) -> None:
    """A stream whose client was closed raises a typed error and asks for nothing more."""
    with FaultServer([ENDLESS]) as server:
        client = client_at(server.url, transport)
        async with client.stream_chat("Hi") as stream:
            assert await _first(stream) == "Hel"
            await client.aclose()
            with pytest.raises(MiiflowLLMError), anyio.fail_after(10):
                await stream.__anext__()
        await _gone(server)
        with pytest.raises(ConfigurationError, match="closed"):
            await client.chat("Hi")
        assert len(server.requests) == 1


@pytest.mark.anyio
async def test_the_connection_is_used_again_after_a_whole_stream(transport: str) -> None:
    """After the end the body is drained, so that ten streams need one connection."""
    with FaultServer([OPENAI_CHAT.streamed(OPENAI_CHAT.stream)]) as server:
        async with client_at(server.url, transport) as client:
            for _ in range(10):
                async with client.stream_chat("Hi") as stream:
                    async for made in stream:
                        if made.finish_reason:
                            break
        assert len(server.requests) == 10
        assert server.connections == 1


@pytest.mark.anyio
async def test_a_late_last_chunk_costs_no_connection(transport: str) -> None:
    """The terminating chunk may come a little after the mark of the end."""
    late = [*OPENAI_CHAT.begun(OPENAI_CHAT.stream), Wait(0.03), LAST_CHUNK]
    with FaultServer([late]) as server:
        async with client_at(server.url, transport) as client:
            for _ in range(3):
                async with client.stream_chat("Hi") as stream:
                    async for made in stream:
                        if made.finish_reason:
                            break
        assert server.connections == 1


@pytest.mark.slow
@pytest.mark.anyio
async def test_the_last_chunk_is_the_consumers_even_if_it_stops_without_closing(transport: str) -> None:
    """Stopping at the finish without `async with` leaves nothing open and warns of nothing."""
    with FaultServer([OPENAI_CHAT.streamed(OPENAI_CHAT.stream)]) as server:
        async with client_at(server.url, transport) as client:
            for _ in range(3):
                async for made in client.stream_chat("Hi"):
                    if made.finish_reason:
                        break
            gc.collect()
        assert server.connections == 1


@pytest.mark.anyio
async def test_a_stream_that_was_never_begun_sends_nothing_and_warns_of_nothing(transport: str) -> None:
    """Making a stream is free."""
    with FaultServer([OPENAI_CHAT.streamed(OPENAI_CHAT.stream)]) as server:
        async with client_at(server.url, transport) as client:
            client.stream_chat("Hi")
            stream = client.stream_chat("Hi")
            await stream.aclose()
            with pytest.raises(StopAsyncIteration):
                await stream.__anext__()
        assert server.requests == []


@pytest.mark.anyio
async def test_what_was_handed_out_is_still_there_after_a_break(transport: str) -> None:
    """`stream.response` after leaving is the answer so far, without a finish reason."""
    with FaultServer([ENDLESS]) as server:
        async with client_at(server.url, transport) as client:
            async with client.stream_chat("Hi") as stream:
                await _first(stream)
            assert stream.response.content == "Hel"
            assert stream.response.finish_reason is None


@pytest.mark.anyio
async def test_an_interrupted_stream_stays_interrupted(transport: str) -> None:
    """After its error a stream is over: asking again gives the end and sends nothing."""
    with FaultServer([OPENAI_CHAT.streamed(OPENAI_CHAT.opening, OPENAI_CHAT.hel)]) as server:
        async with client_at(server.url, transport) as client:
            stream = client.stream_chat("Hi")
            with pytest.raises(StreamInterruptedError):
                async for _ in stream:
                    pass
            with pytest.raises(StopAsyncIteration):
                await stream.__anext__()
        assert len(server.requests) == 1
