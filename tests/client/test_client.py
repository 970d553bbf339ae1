"""The client through its front door: what newcomers get wrong, what keys never do, what is counted and retried."""

from __future__ import annotations

import functools
import logging
import pickle
import traceback
import warnings
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import msgspec
import pytest
import respx

from miiflow_llm import LLMClient, Message, ProviderStreamNormalizer, Timeout
from miiflow_llm.calls.streams import CHECKPOINT_EVERY
from miiflow_llm.core import exceptions as error
from miiflow_llm.replay.faults import CutAt, StatusFirst
from miiflow_llm.replay.server import ReplayServer

from ..captured import own

KEY = "sk-planted-key-0123456789"
CAPTURES = {capture.key: capture for capture in own()}


def client(provider: str, server: ReplayServer, name: str, **options: Any) -> LLMClient:
    """A client that is served one capture."""
    model = CAPTURES[f"{provider}/{name}"].model
    return LLMClient.create(provider, model, KEY, base_url=server.url_for(provider, name), **options)


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda: LLMClient.create("opnai", "m"), error.ConfigurationError, ["'openai'", "anthropic", "register()"]),
        (lambda: LLMClient.create("openai", "m"), error.ConfigurationError, ["OPENAI_API_KEY", "api_key"]),
        (lambda: LLMClient.create("gemini", "m"), error.ConfigurationError, ["GEMINI_API_KEY", "GOOGLE_API_KEY"]),
        (lambda: LLMClient.create("openai", "m", KEY, dialect="x"), error.ConfigurationError, ["openai_responses"]),
        (lambda: LLMClient.create("openai-compatible", "m"), error.ConfigurationError, ["base_url"]),
        (lambda: LLMClient.create("openai", "m", KEY, base_url="api.x"), error.ConfigurationError, ["http(s) URL"]),
        (
            lambda: LLMClient.create("openai", "m", KEY, base_url="http://x.example"),
            error.ConfigurationError,
            ["https"],
        ),
        (lambda: LLMClient.create("openai", "m", KEY, max_retries=-1), error.ConfigurationError, ["0 or more"]),
        (lambda: LLMClient.create("openai", "m", "a\nb"), error.ConfigurationError, ["characters"]),
        (lambda: made().plan("x", model=3), error.ConfigurationError, ["model"]),
        (lambda: made().plan([]), error.ConfigurationError, ["messages is empty"]),
        (lambda: made().plan("x", n=2), error.ConfigurationError, ["one call is one answer"]),
        (lambda: made().plan("x", temprature=1), error.ConfigurationError, ["temperature"]),
        (lambda: made().plan("x", temperature="hot"), error.ConfigurationError, ["temperature='hot'"]),
        (lambda: made().plan([{"role": "user", "content": 3}]), error.ConfigurationError, ["messages[0].content"]),
        (lambda: made().plan([3]), error.ConfigurationError, ["messages[0]"]),
        (lambda: made().plan("x", extra_headers={"a": "b\r\nc: d"}), error.ConfigurationError, ["header"]),
        (lambda: made("anthropic").plan("x", seed=1), error.UnsupportedParameterError, ["seed", "unsupported='drop'"]),
        (lambda: LLMClient.create("openai", None, KEY).plan("x"), error.ConfigurationError, ["model"]),
    ],
)
def test_bad_input(make: Any, kind: type[Exception], words: list[str]) -> None:
    """Bad input is a typed error before anything is sent, and its message says what to do."""
    with pytest.raises(kind) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


def made(provider: str = "openai") -> LLMClient:
    """A client that sends nothing."""
    return LLMClient.create(provider, "m", KEY)


def test_keys_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual variables are looked at, in their order; a local server needs none."""
    monkeypatch.setenv("TOGETHERAI_API_KEY", KEY)
    plan = LLMClient.create("together", "m").plan("x")
    assert plan.headers["authorization"] == "Bearer ***"
    assert LLMClient.create("ollama", "m").plan("x").url == "http://localhost:11434/api/chat"
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:1234")
    assert LLMClient.create("ollama", "m").plan("x").url == "http://127.0.0.1:1234/api/chat"


def test_plan() -> None:
    """The exact request, unsent: names, places, notes, the key hidden."""
    client = LLMClient.create("gemini", "gemini-2.5-flash", KEY)
    plan = client.plan("Hello", max_tokens=9, stop="END", stream=True, extra_body={"labels": {"a": "b"}})
    assert plan.url.endswith("/models/gemini-2.5-flash:streamGenerateContent?alt=sse")
    assert plan.body is not None
    assert plan.body["generationConfig"] == {"maxOutputTokens": 9, "stopSequences": ["END"]}
    assert plan.body["labels"] == {"a": "b"}
    assert plan.headers["x-goog-api-key"] == "***"
    assert "renamed: max_tokens -> generationConfig.maxOutputTokens" in plan.notes
    dropping = LLMClient.create("anthropic", "claude-haiku-4-5", KEY, unsupported="drop")
    assert any(note.startswith("dropped: seed") for note in dropping.plan("x", seed=1).notes)


@pytest.mark.anyio
async def test_unreachable() -> None:
    """A host that is not there is a NetworkError that names the address's setting."""
    client = LLMClient.create("openai", "m", KEY, base_url="http://127.0.0.1:9/v1", max_retries=0)
    async with client:
        with pytest.raises(error.NetworkError, match="base_url") as caught:
            await client.chat("x")
    assert caught.value.provider == "openai"
    assert [attempt.reason for attempt in caught.value.attempts] == ["NetworkError"]


@pytest.mark.anyio
async def test_metrics() -> None:
    """A finished, a failed, a retried and an abandoned call are counted as what they are."""
    async with ReplayServer([CAPTURES["openai/text"]], fault=StatusFirst(503, times=1)) as server:
        one = client("openai", server, "text")
        async with one:
            async with one.stream_chat("x") as stream:
                async for _ in stream:
                    pass
            assert stream.response.attempts[0].status == 503
            assert stream.response.attempts[0].reason == "ServiceUnavailableError"
            assert stream.response.attempts[1].status == 200
            await one.stream_chat("x").aclose()
            async with one.stream_chat("x") as left:
                await anext(left)
            server.fault = CutAt(2000)
            with pytest.raises(error.StreamInterruptedError) as caught:
                async for _ in one.stream_chat("x"):
                    pass
            metrics = one.get_metrics()
    assert caught.value.partial is not None
    assert caught.value.partial.message.text.startswith("Twice a day")
    assert (metrics.total_requests, metrics.finished, metrics.failed, metrics.abandoned) == (4, 1, 1, 2)
    assert metrics.retries == 1
    assert metrics.success_rate == 50.0
    assert metrics.total_tokens == 74
    target = metrics.targets["openai/gpt-6-luna"]
    assert target.tokens.prompt_tokens == 31
    assert metrics.avg_latency_ms == pytest.approx(target.latency_ms.p50, rel=0.06)


@pytest.mark.anyio
@pytest.mark.parametrize("streaming", [True, False])
async def test_retries_do_not_stack(streaming: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """`max_retries=2` is at most three requests on the wire."""
    monkeypatch.setattr("backoff.full_jitter", lambda value: 0.0)
    async with ReplayServer([CAPTURES["openai/text"]], fault=StatusFirst(500, times=99)) as server:
        async with client("openai", server, "text", max_retries=2) as one:
            with pytest.raises(error.ServiceUnavailableError) as caught:
                await (anext(one.stream_chat("x")) if streaming else one.chat("x"))
        assert len(server.requests) == 3
    assert len(caught.value.attempts) == 3


@pytest.mark.anyio
async def test_entering_sends() -> None:
    """`async with` sends the request, so that what is refused is raised there and not at the first chunk."""
    async with ReplayServer([CAPTURES["openai/text"], CAPTURES["openai/error_before"]]) as server:
        async with client("openai", server, "text") as one:
            stream = one.stream_chat("x")
            assert server.requests == []
            async with stream:
                assert len(server.requests) == 1
        async with client("openai", server, "error_before", max_retries=0) as one:
            with pytest.raises(error.ProviderError):
                async with one.stream_chat("x"):
                    pytest.fail("the body of `async with` was entered")


@pytest.mark.anyio
@pytest.mark.parametrize("streaming", [True, False])
async def test_attempts(streaming: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt has its own status, reason and times; the whole call's latency holds them and the wait."""
    monkeypatch.setattr("backoff.full_jitter", lambda value: 0.5)
    captures = [CAPTURES["openai/text"], CAPTURES["openai/whole_text"]]
    async with ReplayServer(captures, fault=StatusFirst(503, times=1)) as server:
        async with client("openai", server, "text" if streaming else "whole_text") as one:
            if streaming:
                async with one.stream_chat("x") as stream:
                    async for _ in stream:
                        pass
                response = stream.response
            else:
                response = await one.chat("x")
    failed, served = response.attempts
    assert (failed.status, failed.reason, failed.waited_ms) == (503, "ServiceUnavailableError", 0.0)
    assert (served.status, served.reason) == (200, None)
    assert 500 <= served.waited_ms < 600
    assert served.request_id == response.request_id
    for attempt in response.attempts:
        assert attempt.target == f"openai/{captures[0 if streaming else 1].model}"
        assert attempt.connect_ms is not None
        assert attempt.total_ms is not None
        assert 0 < attempt.connect_ms <= attempt.total_ms
    assert served.total_ms is not None
    assert response.latency_ms is not None
    assert response.latency_ms >= served.waited_ms + served.total_ms
    assert served.total_ms < response.latency_ms - 400, "an attempt's own time is without the wait before it"
    if streaming:
        assert served.first_output_ms is not None
        assert response.time_to_first_token_ms is not None
        assert served.waited_ms + served.first_output_ms <= response.time_to_first_token_ms <= response.latency_ms
    else:
        assert response.time_to_first_token_ms is None


@pytest.mark.anyio
async def test_no_retry_after_output() -> None:
    """Once something was handed out nothing is repeated."""
    async with ReplayServer([CAPTURES["openai/text"]], fault=CutAt(2000)) as server:
        async with client("openai", server, "text") as one:
            with pytest.raises(error.StreamInterruptedError):
                async for _ in one.stream_chat("x"):
                    pass
        assert len(server.requests) == 1


class Broken(httpx.AsyncByteStream):
    """A body that breaks off."""

    def __init__(self, begun: bytes = b": begun\n\n", reason: Exception | None = None) -> None:
        self.begun = begun
        self.closed = False
        self.reason = reason or httpx.ReadError("torn")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.begun
        raise self.reason

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.anyio
async def test_each_attempt_ends_for_its_own_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that ends early in good order does not say that the connection broke, as the one before it did."""
    monkeypatch.setattr("backoff.full_jitter", lambda value: 0.0)
    bodies = iter([httpx.Response(200, stream=Broken()), httpx.Response(200, content=b": begun\n\n")])
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: next(bodies))) as http:
        one = LLMClient.create("openai", "m", api_key="k", http_client=http, max_retries=1)
        with pytest.raises(error.StreamInterruptedError, match="no mark of completeness") as raised:
            await anext(one.stream_chat("x"))
    assert len(raised.value.attempts) == 2


@pytest.mark.anyio
async def test_each_attempt_has_its_own_first_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that was seen in an attempt that failed is not taken for the output of the next."""
    monkeypatch.setattr("backoff.full_jitter", lambda value: 0.0)
    searching = b'data: {"type":"response.web_search_call.searching","output_index":0}\n\n'
    delta = b'data: {"type":"response.output_text.delta","output_index":1,"delta":"a"}\n\n'
    completed = b'data: {"type":"response.completed","response":{"status":"completed"}}\n\n'
    bodies = iter([httpx.Response(200, stream=Broken(searching)), httpx.Response(200, content=delta + completed)])
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: next(bodies))) as http:
        one = LLMClient.create("openai", "m", KEY, http_client=http, max_retries=1, dialect="openai_responses")
        stream = one.stream_chat("x")
        assert [chunk.delta async for chunk in stream] == ["a", ""]
    assert [attempt.first_output_ms is not None for attempt in stream.response.attempts] == [True, True]


@pytest.mark.anyio
@pytest.mark.parametrize("reason", [error.TimeoutError("late", phase="idle"), error.NetworkError("torn")])
async def test_our_own_error_from_a_body(reason: error.MiiflowLLMError) -> None:
    """A transport of the caller's that raises an error of ours in a body is heard in its own words."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Broken(reason=reason)))
    async with httpx.AsyncClient(transport=transport) as http:
        one = LLMClient.create("openai", "m", KEY, http_client=http, max_retries=0)
        with pytest.raises(error.MiiflowLLMError) as raised:
            await anext(one.stream_chat("x"))
    assert raised.value is reason


MANY = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n' * 400 + b"data: [DONE]\n\n"


@pytest.mark.anyio
async def test_other_tasks_get_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Among many chunks of one read too, now and then."""
    turns: list[int] = []
    checkpoint, seen = anyio.lowlevel.checkpoint, 0

    async def counted() -> None:
        turns.append(seen)
        await checkpoint()

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=MANY))
    async with httpx.AsyncClient(transport=transport) as http:
        stream = LLMClient.create("openai", "m", KEY, http_client=http).stream_chat("x")
        await anext(stream)
        monkeypatch.setattr("anyio.lowlevel.checkpoint", counted)
        seen = 1
        async for _ in stream:
            seen += 1
        monkeypatch.undo()
    assert turns == [CHECKPOINT_EVERY * turn for turn in range(1, 4)]


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")  # trio's, of httpx's own
async def test_a_slow_consumer_passes_the_whole_calls_limit() -> None:
    """`total` is looked at for every chunk, however many one read brought, and closes the answer at once."""
    body = Broken(MANY.replace(b"data: [DONE]", b": more"))
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=body))
    async with httpx.AsyncClient(transport=transport) as http:
        stream = LLMClient.create("openai", "m", KEY, http_client=http, timeout=Timeout(total=0.2)).stream_chat("x")
        await anext(stream)
        await anyio.sleep(0.25)
        with pytest.raises(error.TimeoutError) as raised:
            await anext(stream)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        assert body.closed
    assert raised.value.phase == "total"
    assert raised.value.partial is not None


@pytest.mark.anyio
async def test_no_attempt_reads_what_another_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came behind an error, in the same read, is no part of the next attempt's answer."""
    monkeypatch.setattr("backoff.full_jitter", lambda value: 0.0)
    failed = b'data: {"error":{"message":"overloaded","type":"server_error","code":503}}\n\n'
    text = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    bodies = iter([failed + text * 4000, text + b"data: [DONE]\n\n"])
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=next(bodies)))
    async with httpx.AsyncClient(transport=transport) as http:
        one = LLMClient.create("openai", "m", KEY, http_client=http, max_retries=1)
        assert "".join([chunk.delta async for chunk in one.stream_chat("x")]) == "a"


@pytest.mark.anyio
async def test_connection_is_kept() -> None:
    """A consumer that stops at the finish chunk does not cost the next request a connection."""
    async with ReplayServer([CAPTURES["openai/text"]]) as server, client("openai", server, "text") as one:
        for _ in range(4):
            async for chunk in one.stream_chat("x"):
                if chunk.finish_reason:
                    break
        assert server.connections == 1


@pytest.mark.anyio
async def test_two_consumers() -> None:
    """Two tasks on one stream are an error, not a muddle."""
    caught: list[Exception] = []
    async with ReplayServer([CAPTURES["openai/text"]], pace=0.01) as server, client("openai", server, "text") as one:

        async def consume(stream: Any) -> None:
            try:
                async for _ in stream:
                    await anyio.lowlevel.checkpoint()
            except error.ConfigurationError as raised:
                caught.append(raised)

        async with one.stream_chat("x") as stream, anyio.create_task_group() as group:
            group.start_soon(consume, stream)
            group.start_soon(consume, stream)
    assert caught
    assert "two tasks" in str(caught[0])


@pytest.mark.anyio
async def test_dropped_stream() -> None:
    """A stream that is dropped before its end warns, and closes its connection."""
    async with ReplayServer([CAPTURES["openai/text"]], pace=0.01) as server, client("openai", server, "text") as one:
        stream = one.stream_chat("x")
        await anext(stream)
        with pytest.warns(ResourceWarning, match="async with"):
            del stream
        assert one.get_metrics().abandoned == 1


@pytest.mark.anyio
async def test_leaving_is_quiet() -> None:
    """Leaving by `async with` warns of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with (
            ReplayServer([CAPTURES["openai/text"]], pace=0.01) as server,
            client("openai", server, "text") as one,
        ):
            async with one.stream_chat("x") as stream:
                async for _ in stream:
                    break
            with anyio.move_on_after(0.03):
                async for _ in one.stream_chat("x"):
                    pass


@pytest.mark.anyio
async def test_closed() -> None:
    """A closed client says so; closing twice is harmless."""
    one = made()
    await one.aclose()
    await one.aclose()
    with pytest.raises(error.ConfigurationError, match="closed"):
        await one.chat("x")


@pytest.mark.anyio
async def test_key_never_shows(caplog: pytest.LogCaptureFixture) -> None:
    """The key is in no repr, log, exception, pickle, plan, or local variable of ours."""
    caplog.set_level(logging.DEBUG, "miiflow_llm")
    shown: list[str] = []
    async with ReplayServer([CAPTURES["openai/error_before"]]) as server:
        one = client("openai", server, "error_before", max_retries=0)
        shown += [repr(one), repr(one.__dict__), repr(one.plan("x")), repr(one._setup), repr(one._setup.target)]
        try:
            await one.chat("x")
        except error.ProviderError as raised:
            shown += [str(raised), repr(raised), repr(pickle.loads(pickle.dumps(raised)).__dict__)]
            for frame, _ in traceback.walk_tb(raised.__traceback__):
                if "miiflow_llm" in frame.f_code.co_filename:
                    shown += [repr(value) for value in frame.f_locals.values()]
        await one.aclose()
        shown += [repr(server.requests)]
    shown += [record.getMessage() for record in caplog.records]
    assert len(shown) > 12
    assert not [text for text in shown if KEY in text]
    with pytest.raises(TypeError):
        pickle.dumps(one._setup.target.credential)


@pytest.mark.anyio
async def test_raw_frames() -> None:
    """`raw=True` gives a chunk for every frame, with its payload; the finish reason stays on the last alone."""
    capture = CAPTURES["anthropic/text"]
    async with ReplayServer([capture]) as server, client("anthropic", server, "text") as one:
        plain = [chunk async for chunk in one.stream_chat("x")]
        raw = [chunk async for chunk in one.stream_chat("x", raw=True)]
    assert len(raw) > len(plain)
    assert any(b'"type":"ping"' in chunk.raw or b'"type": "ping"' in chunk.raw for chunk in raw)
    assert [chunk.finish_reason is not None for chunk in raw].count(True) == 1
    assert raw[-1].finish_reason == "stop"
    assert "".join(chunk.delta for chunk in raw) == "".join(chunk.delta for chunk in plain) == plain[-1].content


@pytest.mark.anyio
async def test_what_is_so_far() -> None:
    """`content`, `reasoning` and `tool_calls` are all so far at each chunk, even when asked for late."""
    capture = CAPTURES["anthropic/two_tools"]
    async with ReplayServer([capture]) as server, client("anthropic", server, "two_tools") as one:
        chunks = [chunk async for chunk in one.stream_chat("x")]
    text = ""
    for chunk in chunks:
        text += chunk.delta
        assert chunk.content == text
    assert [call.name for call in chunks[-1].tool_calls] == [
        call["name"] for call in (capture.expected or {})["tool_calls"]
    ]
    assert [len(chunk.tool_calls) for chunk in chunks] == sorted(len(chunk.tool_calls) for chunk in chunks)


@pytest.mark.parametrize("form", [dict, str, bytes])
@pytest.mark.parametrize(
    ("provider", "payload", "delta"),
    [
        ("openai", {"choices": [{"index": 0, "delta": {"content": "Moss"}}]}, "Moss"),
        (
            "anthropic",
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Moss"}},
            "Moss",
        ),
        ("gemini", {"candidates": [{"content": {"parts": [{"text": "Moss"}]}}]}, "Moss"),
        ("mistral", {"choices": [{"delta": {"content": [{"type": "text", "text": "Moss"}]}}]}, "Moss"),
        ("ollama", {"message": {"content": "Moss"}, "done": False}, "Moss"),
        ("cohere", {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Moss"}}}}, "Moss"),
        ("anthropic", {"type": "ping"}, None),
    ],
)
def test_normalizer(provider: str, payload: dict[str, Any], delta: str | None, form: type) -> None:
    """One frame in, one chunk out, whatever form the payload has; `None` where it says nothing."""
    given: Any = payload if form is dict else msgspec.json.encode(payload)
    chunk = ProviderStreamNormalizer().normalize_chunk(given.decode() if form is str else given, provider=provider)
    assert (chunk.delta if chunk else None) == delta


def test_normalizer_errors() -> None:
    """A payload that reports an error raises it."""
    with pytest.raises(error.ServiceUnavailableError, match="busy"):
        ProviderStreamNormalizer().normalize_chunk(
            {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, provider="anthropic"
        )


@pytest.mark.anyio
async def test_mocks_of_httpx_go_on_working(httpx_mock: Any) -> None:
    """What replaces httpx's own transport from outside gets the requests."""
    httpx_mock.add_response(json={"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]})
    async with LLMClient.create("openai", "m", KEY) as one:
        response = await one.chat("x")
    assert response.content == "hi"
    assert httpx_mock.get_request().headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.anyio
async def test_mocks_of_httpcore_go_on_working() -> None:
    """respx replaces httpcore's pool, one floor below httpx: it gets the requests too."""
    answer = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
    async with LLMClient.create("openai", "m", KEY) as one:
        with respx.mock:
            route = respx.post("https://api.openai.com/v1/chat/completions").respond(json=answer)
            response = await one.chat("x")
    assert response.content == "hi"
    assert route.call_count == 1


@pytest.mark.anyio
async def test_what_traces_httpx_goes_on_working(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracer that stands around httpx's `send` sees our requests, over connections of the same kind."""
    seen: list[httpx.Response] = []
    send = httpx.AsyncClient.send

    @functools.wraps(send)
    async def traced(self: httpx.AsyncClient, request: httpx.Request, **how: Any) -> httpx.Response:
        seen.append(await send(self, request, **how))
        return seen[-1]

    async with ReplayServer([CAPTURES["openai/text"]]) as server:
        async with client("openai", server, "text") as one:
            untraced = [chunk.delta async for chunk in one.stream_chat("x")]
            monkeypatch.setattr(httpx.AsyncClient, "send", traced)
            deltas = [chunk.delta async for chunk in one.stream_chat("x")]
    assert deltas == untraced
    assert [answer.extensions.get("miiflow_stream") is not None for answer in seen] == [True]
    assert [answer.is_closed for answer in seen] == [True]


@pytest.mark.anyio
async def test_own_http_client() -> None:
    """A client of the caller's own is used and left open."""
    answer = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=answer, headers={"x-request-id": "r"}))
    async with httpx.AsyncClient(transport=transport) as http:
        async with LLMClient.create("openai", "m", KEY, http_client=http) as one:
            response = await one.chat([Message.user("x"), {"role": "assistant", "content": "y"}, "z"])
        assert not http.is_closed
    assert response.request_id == "r"
    assert response.usage.prompt_tokens is None


@pytest.mark.anyio
async def test_no_redirect_is_followed() -> None:
    """A redirect is an error: a key goes to no other host."""
    transport = httpx.MockTransport(lambda request: httpx.Response(307, headers={"location": "https://evil.example"}))
    async with httpx.AsyncClient(transport=transport, follow_redirects=True) as http:
        one = LLMClient.create("openai", "m", KEY, http_client=http)
        with pytest.raises(error.ProviderError) as caught:
            await one.chat("x")
    assert caught.value.status_code == 307


@pytest.mark.anyio
async def test_comments_do_not_reset_deadlines() -> None:
    """A server that sends only comments is not waited for for ever."""
    body = b": keep-alive\n\n" * 200
    silent = msgspec.structs.replace(CAPTURES["openai/text"], body=body)
    async with ReplayServer([silent], pace=0.02) as server:
        limits = Timeout(first_output=0.2)
        async with client("openai", server, "text", timeout=limits, max_retries=0) as one:
            with pytest.raises(error.TimeoutError) as caught, anyio.fail_after(30):
                await anext(one.stream_chat("x"))
    assert caught.value.phase == "first_output"
    assert isinstance(caught.value, TimeoutError)


@pytest.mark.anyio
async def test_warm_up() -> None:
    """A warmed client's first call uses the connection that is open already; an unreachable one says so."""
    async with ReplayServer([CAPTURES["openai/text"]]) as server, client("openai", server, "text") as one:
        await one.warm_up()
        await anyio.sleep(0.05)
        assert server.connections == 1
        async for _ in one.stream_chat("x"):
            pass
        assert server.connections == 1
        assert len(server.requests) == 1
    cold = LLMClient.create("openai", "m", KEY, base_url="http://127.0.0.1:9/v1")
    with pytest.raises(error.NetworkError):
        await cold.warm_up()
