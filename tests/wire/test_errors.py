"""Errors are part of the API: each provider's bodies and statuses, before the stream and inside it, and hints."""

from __future__ import annotations

import pickle
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miiflow_llm import providers
from miiflow_llm.calls.retry import Bucket, Retries, RetryBudget, worth_retrying
from miiflow_llm.calls.target import engine_for
from miiflow_llm.core import exceptions as error
from miiflow_llm.wire.decode.headers import LONGEST_WAIT, seconds

NOW = 1795514000.0


def raised(provider: str, status: int, body: Any, headers: dict[str, str] | None = None) -> error.ProviderError:
    """The error of an HTTP answer."""
    found = providers.get(provider)
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return engine_for(found, found).error(status, headers or {}, data, "m")


def openai(code: Any, message: str = "x", kind: str | None = None) -> dict[str, Any]:
    """An error body of the OpenAI family."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


@pytest.mark.parametrize(
    ("provider", "status", "body", "kind", "retryable"),
    [
        ("openai", 400, openai("unsupported_parameter"), error.InvalidRequestError, False),
        ("openai", 400, openai("context_length_exceeded"), error.ContextLengthError, False),
        ("openai", 401, openai("invalid_api_key"), error.AuthenticationError, False),
        ("openai", 403, openai(None), error.PermissionDeniedError, False),
        ("openai", 404, openai("model_not_found"), error.ModelNotFoundError, False),
        ("openai", 429, openai("rate_limit_exceeded"), error.RateLimitError, True),
        ("openai", 429, openai("insufficient_quota"), error.QuotaExceededError, False),
        ("openai", 500, openai(None, kind="server_error"), error.ServiceUnavailableError, True),
        ("openai", 502, b"<html><h1>Bad gateway</h1></html>", error.ServiceUnavailableError, True),
        ("openai", 524, b"", error.ServiceUnavailableError, True),
        ("anthropic", 529, {"type": "error", "error": {"type": "overloaded_error", "message": "x"}},
         error.ServiceUnavailableError, True),
        ("anthropic", 400, {"type": "error", "error": {"type": "invalid_request_error",
                                                        "message": "prompt is too long"}},
         error.ContextLengthError, False),
        ("anthropic", 402, {"type": "error", "error": {"type": "billing_error", "message": "x"}},
         error.QuotaExceededError, False),
        ("gemini", 400, {"error": {"code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT",
                                   "details": [{"@type": "x/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]}},
         error.AuthenticationError, False),
        ("gemini", 503, {"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}},
         error.ServiceUnavailableError, True),
        ("groq", 498, openai("flex_capacity"), error.ServiceUnavailableError, True),
        ("xai", 400, {"code": "invalid-argument", "error": "Incorrect API key provided: x"},
         error.AuthenticationError, False),
        ("xai", 400, {"code": "invalid-argument", "error": "Model not found: x"}, error.ModelNotFoundError, False),
        ("togetherai", 402, openai(None), error.QuotaExceededError, False),
        ("openrouter", 402, openai(402), error.QuotaExceededError, False),
        ("mistral", 422, {"detail": [{"loc": ["body"], "msg": "bad"}]}, error.InvalidRequestError, False),
        ("mistral", 401, {"message": "Unauthorized", "request_id": "r"}, error.AuthenticationError, False),
        ("ollama", 404, {"error": "model 'x' not found"}, error.ModelNotFoundError, False),
        ("cohere", 429, {"message": "too many"}, error.RateLimitError, True),
        ("deepseek", 402, openai("invalid_request_error", "Insufficient Balance"), error.QuotaExceededError, False),
        ("bedrock", 400, {"message": "Input Tokens Exceeded: Number of input tokens exceeds maximum length."},
         error.ContextLengthError, False),
        ("bedrock", 403, {"message": "The security token included in the request is invalid."},
         error.AuthenticationError, False),
        ("bedrock", 403, {"Message": "You don't have access to the model."}, error.PermissionDeniedError, False),
        ("bedrock", 408, {"message": "x"}, error.ServiceUnavailableError, True),
        ("bedrock", 424, {"message": "x"}, error.ServiceUnavailableError, True),
        ("openai-compatible", 401, {"error": "Unauthorized"}, error.AuthenticationError, False),
        ("openai-compatible", 503, {"error": {"code": 503, "message": "Loading model"}},
         error.ServiceUnavailableError, True),
    ],
)  # fmt: skip
def test_statuses_and_bodies(
    provider: str, status: int, body: Any, kind: type[error.ProviderError], retryable: bool
) -> None:
    """Each provider's own statuses and bodies become one typed error that says whether to try again."""
    found = raised(provider, status, body)
    assert type(found) is kind
    assert found.retryable is retryable
    assert found.status_code == status
    assert (found.provider, found.model) == (provider, "m")
    assert found.message


def test_a_code_in_a_header() -> None:
    """Where the body has no code a header may: it says of what kind the error is, up to a colon."""
    headers = {"x-amzn-errortype": "ServiceQuotaExceededException:http://x", "x-amzn-requestid": "r1"}
    found = raised("bedrock", 400, {"message": "no more"}, headers)
    assert type(found) is error.QuotaExceededError
    assert (found.code, found.request_id) == ("ServiceQuotaExceededException", "r1")
    assert raised("bedrock", 400, {"message": "no", "__type": "mine"}, headers).code == "mine"
    assert raised("openai", 400, {"error": {"message": "no"}}, headers).code is None


def test_facts() -> None:
    """An error has the code, the request id, the wait and the body, and says them."""
    found = raised("openai", 429, openai("rate_limit_exceeded"), {"x-request-id": "r1", "retry-after": "7"})
    assert (found.code, found.request_id, found.retry_after) == ("rate_limit_exceeded", "r1", 7.0)
    assert b"rate_limit_exceeded" in found.body
    assert str(found) == "openai/m: x (HTTP 429, rate_limit_exceeded, request r1)"
    assert raised("openai", 500, b"", {"x-should-retry": "false"}).retryable is False
    assert raised("openai", 400, b"", {"x-should-retry": "true"}).retryable is True


@pytest.mark.parametrize(
    "body", [openai(None, ""), openai("x", "\x00\n"), {"error": {}}, {"error": {"message": None, "code": 1}}]
)
def test_no_words(body: Any) -> None:
    """An error without words says so; its status and code are there all the same."""
    found = raised("openai", 503, body)
    assert found.message
    assert isinstance(found, error.ServiceUnavailableError)
    assert "HTTP 503" in str(found)


@pytest.mark.parametrize(
    "provider", ["openai", "openai-compatible", "anthropic", "gemini", "mistral", "cohere", "ollama"]
)
@pytest.mark.parametrize(
    "words",
    [
        "Your credit balance is too low to access the Anthropic API.",
        "Insufficient Balance",
        "You exceeded your current quota, please check your plan and billing details.",
        "Your account is not active, please check your billing",
        "Billing hard limit has been reached: billing hard limit",
    ],
)
def test_no_money(provider: str, words: str) -> None:
    """An account without money is told by the words, whatever the status and type a gateway gives them."""
    body = {"message": words, "type": "error", "error": {"type": "invalid_request_error", "message": words}}
    for status in (400, 402, 403, 429):
        found = raised(provider, status, body if provider != "mistral" else {**body["error"], "object": "error"})
        assert isinstance(found, error.QuotaExceededError), status
        assert not found.retryable


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "mistral", "cohere", "ollama", "bedrock"])
def test_a_definite_status_beats_vague_words(provider: str) -> None:
    """Words that say no more than whose fault it is do not make a refusal one that is tried again."""
    for word in ("api_error", "server_error", "overloaded_error", "timeout", "unexpected error", "UNAVAILABLE"):
        for body in ({"error": {"type": word, "message": word}}, {"error": word}, {"message": word, "type": word}):
            for status, kind in ((400, error.InvalidRequestError), (401, error.AuthenticationError)):
                found = raised(provider, status, body)
                assert type(found) is kind, (status, body)
                assert not found.retryable


def test_no_utf8() -> None:
    """An error body in another encoding is read all the same, its bad bytes replaced."""
    found = raised("openai", 400, b'{"error":{"message":"caf\xe9 closed","code":"context_length_exceeded"}}')
    assert isinstance(found, error.ContextLengthError)
    assert found.message == "caf\ufffd closed"
    page = raised("openai", 502, b"<html>caf\xe9</html>")
    assert page.message == "caf\ufffd"


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "mistral", "ollama", "cohere", "bedrock"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_page_under_200(provider: str, stream: bool) -> None:
    """A web page under status 200 is told as one, in its words; asking again would bring the same, or be paid twice."""
    page = b"\n<!DOCTYPE html><html><head><style>b{}</style></head>\r\n<body>Sign in\x1b here</body></html>"
    found = providers.get(provider)
    engine = engine_for(found, found)
    if stream:
        reader = engine.stream("m")
        assert reader.feed(page) + reader.finish() == []
        failure = reader.error
    else:
        with pytest.raises(error.StreamProtocolError) as caught:
            engine.read_whole(page, "m")
        failure = caught.value
    assert isinstance(failure, error.StreamProtocolError)
    assert not worth_retrying(failure)
    assert "a web page came in place of an answer" in str(failure)
    assert "base_url" in str(failure)
    assert str(failure).isprintable()
    assert "Sign in" in str(failure)


def test_the_same_inside_a_stream() -> None:
    """An error inside a 200 stream is the same typed error as with a status, and keeps what came."""
    found = providers.get("anthropic")
    reader = engine_for(found, found).stream("m")
    text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Blue"}}
    failure = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "r"}
    for event in (text, failure):
        reader.feed(b"data: " + msgspec.json.encode(event) + b"\n\n")
    assert isinstance(reader.error, error.ServiceUnavailableError)
    assert (reader.error.status_code, reader.error.request_id, reader.error.retryable) == (529, "r", True)
    assert reader.error.partial is not None
    assert reader.error.partial.message.text == "Blue"
    assert reader.feed(b"data: {}\n\n") == []


def test_control_characters_stay_out() -> None:
    """What the wire says reaches messages without control characters, and bounded."""
    found = raised("openai", 400, openai("a\x1b[31mb", "x\x00\r\n\x1b]0;evil" + "y" * 9000))
    assert "\x1b" not in str(found)
    assert "\n" not in found.message
    assert len(found.message) <= 2000


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("1", 1.0),
        ("0.25", 0.25),
        ("6m0s", 360.0),
        ("12ms", 0.012),
        ("1h2m3s", 3723.0),
        ("34.4s", 34.4),
        ("-5", 0.0),
        ("99999999", LONGEST_WAIT),
        ("1e400", LONGEST_WAIT),
        ("1795514060", 60.0),
        ("1795514060000", 60.0),
        ("2026-11-24T09:54:20Z", 60.0),
        ("Tue, 24 Nov 2026 09:54:20 GMT", 60.0),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("5 parsecs", None),
    ],
)
def test_waits(text: str, wait: float | None) -> None:
    """Every form in which providers say how long, bounded; what is none is `None`."""
    assert seconds(text, now=NOW) == pytest.approx(wait)


@given(st.text(max_size=30))
def test_waits_never_fail(text: str) -> None:
    """Any header is a bounded wait or none."""
    wait = seconds(text)
    assert wait is None or 0 <= wait <= LONGEST_WAIT


def test_rate_limits() -> None:
    """The provider's counters are on the response, whatever their form."""
    from miiflow_llm.wire.decode.headers import rate_limit

    found = providers.get("openai")
    headers = {
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-reset-tokens": "6m0s",
        "x-ratelimit-limit-tokens": "x",
    }
    limit = rate_limit(headers, engine_for(found, found).dialect.response_headers)
    assert limit is not None
    assert (limit.remaining_requests, limit.reset_tokens, limit.limit_tokens) == (9, 360.0, None)
    assert isinstance(limit.remaining_requests, int)
    assert rate_limit({"x-other": "1"}, engine_for(found, found).dialect.response_headers) is None


@pytest.mark.parametrize(("status", "retryable"), [(418, False), (425, True), (408, True), (409, True), (599, True)])
def test_statuses_of_no_kind(status: int, retryable: bool) -> None:
    """A status that has no exception of its own says by itself whether to try again."""
    found = raised("openai", status, openai(None))
    assert found.retryable is retryable
    assert found.status_code == status


ERRORS = [
    error.ConfigurationError("m", provider="p"),
    error.UnsupportedParameterError("m", parameter="seed"),
    error.TimeoutError("m", phase="idle", seconds=2.0),
    error.RateLimitError("m", status_code=429, code="c", retry_after=3.0, body=b"b", retryable=True),
    error.StreamProtocolError("m", payload="{"),
    error.ParsingError("m", text="t", path="$.a", reason="r"),
    error.StreamInterruptedError("m", model="x"),
]


@pytest.mark.parametrize("one", ERRORS, ids=lambda one: type(one).__name__)
def test_errors_cross_processes(one: error.MiiflowLLMError) -> None:
    """An error is pickled with all it says."""
    again = pickle.loads(pickle.dumps(one))
    assert type(again) is type(one)
    assert str(again) == str(one)
    assert again.__dict__ == one.__dict__


def test_what_is_retried() -> None:
    """Connection failures and the provider's own retryable errors; never quota, keys, bad requests, passed limits."""
    assert worth_retrying(error.NetworkError("x"))
    assert worth_retrying(error.StreamInterruptedError("x"))
    assert worth_retrying(error.TimeoutError("x", phase="connect"))
    assert worth_retrying(error.RateLimitError("x", retryable=True))
    assert not worth_retrying(error.TimeoutError("x", phase="first_output"))
    assert not worth_retrying(error.QuotaExceededError("x"))
    assert not worth_retrying(error.StreamProtocolError("x"))


def test_waits_between_attempts() -> None:
    """The provider's hint is obeyed within the caller's deadline; a budget keeps an outage from being multiplied."""
    limited = error.RateLimitError("x", retryable=True, retry_after=3.0)
    wait = Retries(2, Bucket(RetryBudget())).wait(limited, None)
    assert isinstance(wait, float)
    assert 3.0 <= wait <= 3.1
    assert "would pass" in str(Retries(2, Bucket(RetryBudget())).wait(limited, 2.0))
    assert Retries(0, Bucket(RetryBudget())).wait(limited, None) == ""
    limited.retry_after = 110.0
    long = Retries(2, Bucket(RetryBudget())).wait(limited, None)
    assert isinstance(long, float)
    assert long >= 110.0, "nobody is asked again before the time that was named"
    limited.retry_after = 4000.0
    assert "longer than a call waits" in str(Retries(2, Bucket(RetryBudget())).wait(limited, None))
    bucket, down = Bucket(RetryBudget(most=3)), error.NetworkError("x")
    waits = [Retries(1, bucket).wait(down, None) for _ in range(5)]
    assert [isinstance(one, float) for one in waits] == [True, True, True, False, False]
    for _ in range(5):
        bucket.called()
    assert isinstance(Retries(1, bucket).wait(down, None), float)
