"""What is tried again, what a client's retry budget is spent on, and what the error says if it stopped a retry."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import httpx
import pytest

from miiflow_llm import LLMClient, RetryBudget, SyncLLMClient
from miiflow_llm.calls.retry import LONGEST_WAIT, Bucket, Retries
from miiflow_llm.core.exceptions import (
    ConfigurationError,
    MiiflowLLMError,
    NetworkError,
    RateLimitError,
    ServiceUnavailableError,
)

WHOLE = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
STREAM = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
HINTED = {"retry-after-ms": "1"}


class Server:
    """Fails the first `failures` requests of each call, which a header names, then answers."""

    def __init__(self, failures: int, fail: Callable[[], httpx.Response]) -> None:
        self.failures, self.fail = failures, fail
        self.requests: Counter[str] = Counter()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        call = request.headers["x-call"]
        self.requests[call] += 1
        if self.requests[call] <= self.failures:
            return self.fail()
        if b'"stream":true' in request.content:
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=STREAM)
        return httpx.Response(200, json=WHOLE)


def outcomes(server: Server, calls: int, *, stream: bool, sync: bool, **options: Any) -> list[Any]:
    """The attempts' reasons of each call, or its error, however many calls are made at once."""
    if sync:
        return _outcomes_in_threads(server, calls, stream=stream, **options)
    return anyio.run(_outcomes_in_a_loop, server, calls, stream, options)


def _outcomes_in_threads(server: Server, calls: int, *, stream: bool, **options: Any) -> list[Any]:
    def ask(client: SyncLLMClient, call: int) -> Any:
        headers = {"x-call": str(call)}
        try:
            if stream:
                with client.stream_chat("x", extra_headers=headers) as answer:
                    assert "".join(chunk.delta for chunk in answer) == "hi"
                return [attempt.reason for attempt in answer.response.attempts]
            return [attempt.reason for attempt in client.chat("x", extra_headers=headers).attempts]
        except MiiflowLLMError as error:
            return error

    with httpx.Client(transport=httpx.MockTransport(server)) as http, ThreadPoolExecutor(8) as threads:
        client = SyncLLMClient.create("openai", "m", "k", http_client=http, **options)
        return list(threads.map(lambda call: ask(client, call), range(calls)))


async def _outcomes_in_a_loop(server: Server, calls: int, stream: bool, options: dict[str, Any]) -> list[Any]:
    found: dict[int, Any] = {}

    async def ask(client: LLMClient, call: int) -> None:
        headers = {"x-call": str(call)}
        try:
            if stream:
                async with client.stream_chat("x", extra_headers=headers) as answer:
                    assert "".join([chunk.delta async for chunk in answer]) == "hi"
                found[call] = [attempt.reason for attempt in answer.response.attempts]
            else:
                response = await client.chat("x", extra_headers=headers)
                found[call] = [attempt.reason for attempt in response.attempts]
        except MiiflowLLMError as error:
            found[call] = error

    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as http, anyio.create_task_group() as group:
        client = LLMClient.create("openai", "m", "k", http_client=http, **options)
        for call in range(calls):
            group.start_soon(ask, client, call)
    return [found[call] for call in range(calls)]


def limited() -> httpx.Response:
    """A 429 that says when to come back."""
    return httpx.Response(429, headers=HINTED, json={"error": {"message": "slow down"}})


def unavailable() -> httpx.Response:
    """A 503 that says nothing of when."""
    return httpx.Response(503, json={"error": {"message": "overloaded"}})


def dead() -> httpx.Response:
    """A kept connection that had died."""
    raise NetworkError("the connection broke", stale_connection=True)


EVERYWHERE = [(stream, sync) for stream in (False, True) for sync in (False, True)]


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backoff.full_jitter", lambda value: 0.0)


@pytest.mark.parametrize(("stream", "sync"), EVERYWHERE)
@pytest.mark.parametrize(("fail", "reason"), [(limited, "RateLimitError"), (dead, "NetworkError")])
def test_free_retries(fail: Callable[[], httpx.Response], reason: str, *, stream: bool, sync: bool) -> None:
    """However many calls meet one, a 429 with a hint and a connection that had died cost no retry budget."""
    budget = RetryBudget(most=1, per_call=0)
    found = outcomes(Server(1, fail), 60, stream=stream, sync=sync, max_retries=2, retry_budget=budget)
    assert found == [[reason, None]] * 60


@pytest.mark.parametrize(("stream", "sync"), EVERYWHERE)
@pytest.mark.parametrize("fail", [limited, dead, unavailable])
def test_no_more_requests_than_asked_for(fail: Callable[[], httpx.Response], *, stream: bool, sync: bool) -> None:
    """A retry that costs no budget is one all the same: no body is sent more often than `max_retries` says."""
    server = Server(99, fail)
    (error,) = outcomes(server, 1, stream=stream, sync=sync, max_retries=2, retry_budget=None)
    assert isinstance(error, MiiflowLLMError)
    assert server.requests["0"] == len(error.attempts) == 3
    assert "retry budget" not in str(error)


@pytest.mark.parametrize(("stream", "sync"), EVERYWHERE)
def test_a_spent_budget_is_named(*, stream: bool, sync: bool) -> None:
    """What the budget pays for is tried again, and the error of a call that it stopped says so."""
    server, budget = Server(1, unavailable), RetryBudget(most=5, per_call=0)
    found = outcomes(server, 12, stream=stream, sync=sync, retry_budget=budget)
    served = [one for one in found if one == ["ServiceUnavailableError", None]]
    stopped = [one for one in found if isinstance(one, ServiceUnavailableError)]
    assert (len(served), len(stopped)) == (5, 7)
    for error in stopped:
        assert len(error.attempts) == 1
        assert "retry budget is used up (retry_budget=RetryBudget(most=5" in str(error)


@pytest.mark.parametrize(("stream", "sync"), EVERYWHERE)
def test_no_budget(*, stream: bool, sync: bool) -> None:
    """With `None` every call has its own `max_retries`."""
    found = outcomes(Server(2, unavailable), 40, stream=stream, sync=sync, max_retries=2, retry_budget=None)
    assert found == [["ServiceUnavailableError"] * 2 + [None]] * 40


def test_the_budget_comes_back() -> None:
    """Each call adds its share, up to the most that can be saved."""
    bucket = Bucket(RetryBudget(most=2, per_call=0.5))
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    bucket.called()
    assert not bucket.take()
    bucket.called()
    assert bucket.take()
    for _ in range(100):
        bucket.called()
    assert bucket.left == 2


@pytest.mark.parametrize(
    ("hint", "left", "words"),
    [(LONGEST_WAIT + 1, None, "asks to wait 121 s"), (5.0, 3.0, r"Timeout\(total"), (None, None, "retry budget")],
)
def test_why_it_is_not_tried_again(hint: float | None, left: float | None, words: str) -> None:
    """A retry that is due but not made has its reason in words."""
    retries = Retries(2, Bucket(RetryBudget(most=0, per_call=0)))
    wait = retries.wait(ServiceUnavailableError("x", retryable=True, retry_after=hint), left)
    assert isinstance(wait, str)
    assert re.search(words, wait)


@pytest.mark.parametrize("hint", [0.5, None])
def test_which_429_is_free(hint: float | None) -> None:
    """One without a hint draws on the budget like any failure."""
    retries = Retries(2, Bucket(RetryBudget(most=0, per_call=0)))
    wait = retries.wait(RateLimitError("x", retryable=True, retry_after=hint), None)
    assert isinstance(wait, str) == (hint is None)


@pytest.mark.parametrize("wrong", [5, "none", {"most": 3}])
def test_what_is_not_a_budget(wrong: Any) -> None:
    """It is refused when the client is made, with what to write."""
    with pytest.raises(ConfigurationError, match=r"RetryBudget\(most="):
        LLMClient.create("openai", "m", "k", retry_budget=wrong)


@pytest.mark.parametrize("wrong", [{"most": -1}, {"per_call": float("nan")}, {"most": "many"}])
def test_budgets_that_cannot_be(wrong: dict[str, Any]) -> None:
    """Negative numbers, NaN and words are no numbers of retries."""
    with pytest.raises(ConfigurationError, match="from 0 up"):
        RetryBudget(**wrong)


@pytest.mark.parametrize("wrong", [-1, "2", None, 1.5])
def test_max_retries_is_a_number(wrong: Any) -> None:
    """A number of retries from 0 up."""
    with pytest.raises(ConfigurationError, match="max_retries"):
        LLMClient.create("openai", "m", "k", max_retries=wrong)


def empty() -> httpx.Response:
    """An answer that says nothing: whole, or as a stream's server sends it."""
    return httpx.Response(200, json={"choices": [{"message": {"content": ""}, "finish_reason": None}]})


@pytest.mark.parametrize(("stream", "sync"), EVERYWHERE)
def test_an_answer_that_says_nothing(*, stream: bool, sync: bool, caplog: pytest.LogCaptureFixture) -> None:
    """It is an error streamed and whole, keeps what there was, and is not asked for again in silence."""
    (served,) = outcomes(Server(1, empty), 1, stream=stream, sync=sync)
    assert served == ["ServiceUnavailableError", None]
    assert "attempt 1 was answered, but with ServiceUnavailableError; asking again" in caplog.text
    (error,) = outcomes(Server(9, empty), 1, stream=stream, sync=sync)
    assert isinstance(error, ServiceUnavailableError)
    assert error.partial is not None
    assert len(error.attempts) == 3


@pytest.mark.parametrize(("stream", "sync"), EVERYWHERE)
def test_a_failure_without_an_answer_is_tried_again_quietly(
    *, stream: bool, sync: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody pays for it, and the attempts tell of it."""
    outcomes(Server(1, unavailable), 1, stream=stream, sync=sync)
    assert caplog.text == ""
