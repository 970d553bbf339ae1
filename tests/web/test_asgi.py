"""The ASGI application: bodies checked, failures mapped, the caller's hook asked, nothing of the provider shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import msgspec
import pytest

from miiflow_llm import ClientPool, LLMClient
from miiflow_llm.core import exceptions as errors
from miiflow_llm.web import Limits, Rejected, create_app, safe_error
from miiflow_llm.web.demo import demo_app

pytestmark = pytest.mark.anyio
HELLO = [{"role": "user", "content": "Hello"}]


def browser(app: Any) -> httpx.AsyncClient:
    """A client of the app without a socket."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here")


async def post(app: Any, body: Any, path: str = "/chat/stream", **headers: str) -> httpx.Response:
    """The answer to one request."""
    async with browser(app) as client:
        return await client.post(path, json=body, headers=headers)


async def test_a_whole_answer() -> None:
    """`POST /chat` gives the message with usage and finish reason."""
    answer = (await post(demo_app(pace=0), {"messages": HELLO, "model": "text"}, "/chat")).json()
    assert answer["message"]["role"] == "assistant"
    assert answer["content"].startswith("Tides come about")
    assert (answer["finish_reason"], answer["usage"]["prompt_tokens"]) == ("stop", 21)


@pytest.mark.parametrize(
    ("accept", "kind"), [("application/x-ndjson", "application/x-ndjson"), ("*/*", "text/event-stream; charset=utf-8")]
)
async def test_accept_chooses_the_framing(accept: str, kind: str) -> None:
    """NDJSON where it is asked for, else server-sent events."""
    response = await post(demo_app(pace=0), {"messages": HELLO, "model": "text"}, accept=accept)
    assert response.headers["content-type"] == kind
    assert '"finish_reason":"stop"' in response.text


@pytest.mark.parametrize("path", ["/chat", "/chat/stream"])
async def test_a_limit_keeps_retry_after(path: str) -> None:
    """The provider's 429 is ours, with its Retry-After."""
    app = create_app(replaying(429, b'{"error":{"message":"org-1 is over"}}', {"retry-after": "20"}))
    response = await post(app, {"messages": HELLO}, path)
    assert (response.status_code, response.headers["retry-after"]) == (429, "20")
    assert "org-1" not in response.text


def replaying(status: int, body: bytes, headers: Mapping[str, str]) -> LLMClient:
    """A client of a provider that gives one answer to everything."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=body, headers=dict(headers)))
    return LLMClient.create(
        "openai", "m", "sk-secret", max_retries=0, http_client=httpx.AsyncClient(transport=transport)
    )


@pytest.mark.parametrize("path", ["/chat", "/chat/stream"])
async def test_our_key_is_our_trouble(path: str) -> None:
    """A refused key of ours is a 502 that shows nothing of it."""
    body = b'{"error":{"message":"Incorrect API key provided: sk-secret","code":"invalid_api_key"}}'
    response = await post(create_app(replaying(401, body, {})), {"messages": HELLO}, path)
    assert response.status_code == 502
    assert "key" not in response.text


async def test_our_missing_key_is_our_trouble(caplog: pytest.LogCaptureFixture) -> None:
    """A model that is offered but has no key here is a fault of the service, told to whoever runs it."""
    pool = ClientPool({"providers": {"groq": {"models": ["m"]}}})
    response = await post(create_app(pool), {"messages": HELLO})
    assert (response.status_code, response.json()["error"]["type"]) == (500, "misconfigured")
    assert [record.levelname for record in caplog.records if record.name == "miiflow_llm.web"] == ["WARNING"]


async def test_a_pool_offers_what_it_lists() -> None:
    """The configuration's models, its defaults first; where it lists none the service must be told."""
    config = {"default_provider": "groq", "default_model": "b", "providers": {"xai": {"models": ["x"]}}}
    config["providers"]["groq"] = {"models": ["a", "b"]}  # type: ignore[index]
    async with browser(create_app(ClientPool(config))) as client:
        offered = (await client.get("/models")).json()["providers"]
    assert offered == [{"name": "groq", "models": ["b", "a"]}, {"name": "xai", "models": ["x"]}]
    for empty in ({"providers": {"groq": {}}}, None):
        with pytest.raises(errors.ConfigurationError, match="lists no models"):
            create_app(ClientPool(empty))


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (errors.RateLimitError("secret"), 429, "rate_limited"),
        (errors.QuotaExceededError("secret"), 502, "upstream_refused"),
        (errors.AuthenticationError("secret"), 502, "upstream_refused"),
        (errors.PermissionDeniedError("secret"), 502, "upstream_refused"),
        (errors.ContextLengthError("secret"), 400, "context_length"),
        (errors.ModelNotFoundError("secret"), 400, "model_not_found"),
        (errors.InvalidRequestError("secret"), 400, "invalid_request"),
        (errors.ContentFilterError("secret"), 400, "content_filter"),
        (errors.ServiceUnavailableError("secret"), 503, "overloaded"),
        (errors.ProviderError("secret"), 502, "upstream_failed"),
        (errors.NetworkError("secret"), 502, "upstream_failed"),
        (errors.StreamProtocolError("secret"), 502, "upstream_failed"),
        (errors.StreamInterruptedError("secret"), 502, "interrupted"),
        (errors.TimeoutError("secret", phase="idle"), 504, "timeout"),
        (errors.ParsingError("secret"), 502, "schema_mismatch"),
        (errors.UnsupportedParameterError("secret", parameter="top_k"), 422, "unsupported_parameter"),
        (errors.ConfigurationError("secret"), 500, "misconfigured"),
        (ValueError("secret"), 500, "internal"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_every_error_is_mapped(error: Exception, status: int, name: str) -> None:
    """Each exception has its status and type, and none shows its message."""
    found, safe = safe_error(error)
    assert (found, safe.type) == (status, name)
    assert "secret" not in safe.message


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"messages": []}, "$.messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "$.messages[0].role"),
        ({"messages": [*HELLO, {"role": "user", "content": [{"type": "text"}]}]}, "$.messages[1].content[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "$.messages[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "opaque", "payload": {}}]}]}, "$.messages[0]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "file:///a"}]}]},
            "$.messages[0]",
        ),
        ({"messages": HELLO, "temperature": "hot"}, "$.temperature"),
        ({"messages": HELLO, "max_tokens": 101}, "$.max_tokens"),
        ({"messages": HELLO * 4}, "$.messages"),
        ({"messages": HELLO, "model": "other"}, "$.model"),
        ({"messages": HELLO, "provider": "other"}, "$.provider"),
        ({"messages": HELLO, "api_key": "x"}, "$"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_wrong_body_is_told_its_place(body: Any, place: str) -> None:
    """What is wrong is a 422 that says where, and nothing is sent on."""
    app = create_app(replaying(500, b"", {}), limits=Limits(max_messages=3, max_tokens=100))
    response = await post(app, body)
    assert (response.status_code, response.json()["error"].get("place")) == (422, place)


async def test_a_large_body_is_refused() -> None:
    """More bytes than allowed are a 413."""
    app = create_app(replaying(500, b"", {}), limits=Limits(max_body=50))
    assert (await post(app, {"messages": [{"role": "user", "content": "x" * 60}]})).status_code == 413


async def test_only_json_is_taken() -> None:
    """A form of a foreign page cannot ask."""
    async with browser(create_app(replaying(500, b"", {}))) as client:
        response = await client.post("/chat", content=b'{"messages":[]}', headers={"content-type": "text/plain"})
    assert response.status_code == 415


async def test_the_callers_hook() -> None:
    """Who is turned away gets the hook's status; a hook that fails lets nobody in."""

    async def authorize(headers: Mapping[str, str], _: Any) -> None:
        if headers.get("authorization") == "broken":
            raise ValueError
        if headers.get("authorization") != "me":
            raise Rejected(403, "forbidden", "Not you.")

    app = create_app(replaying(429, b"{}", {}), authorize=authorize)
    statuses = [
        (await post(app, {"messages": HELLO}, authorization=who)).status_code for who in ("you", "broken", "me")
    ]
    assert statuses == [403, 500, 429]


async def test_roles_and_blocks_are_kept() -> None:
    """What the provider gets has the roles and blocks that the browser sent."""
    sent: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.content)
        return httpx.Response(500)

    client = LLMClient.create(
        "openai", "m", "k", max_retries=0, http_client=httpx.AsyncClient(transport=httpx.MockTransport(answer))
    )
    image = {"type": "image_url", "image_url": "data:image/png;base64,aGk="}
    messages = [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": [{"type": "text", "text": "See"}, image]},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"type": "tool_call", "id": "c", "name": "f", "arguments": "{}"}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "42"},
    ]
    await post(create_app(client), {"messages": messages})
    for piece in (b"Be brief", b"aGk=", b'"tool_calls"', b'"tool_call_id":"c"'):
        assert piece in sent[0]


async def test_what_comes_together_goes_together() -> None:
    """Chunks that one read of the provider brought are one piece for the browser, not a write each."""
    frames = b"".join(b'data: {"choices":[{"index":0,"delta":{"content":"w"}}]}\n\n' for _ in range(50))
    end = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    app = create_app(replaying(200, frames + end, {"content-type": "text/event-stream"}))
    body = msgspec.json.encode({"messages": HELLO})
    sent: list[Any] = []
    received = [{"type": "http.request", "body": body}]

    async def receive() -> Any:
        if not received:
            await anyio.sleep_forever()
        return received.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/chat/stream", "headers": headers}
    await app(scope, receive, send)
    pieces = [message.get("body", b"") for message in sent]
    assert [piece.count(b'"seq"') for piece in pieces] == [0, 50, 1, 0]


class Tide(msgspec.Struct):
    """A type of the service's own."""

    harbour: str
    metres: float


def streaming(text: str) -> tuple[LLMClient, list[Any]]:
    """A client whose provider streams this text, and what it was asked."""
    asked: list[Any] = []
    deltas = [{"content": text[at : at + 5]} for at in range(0, len(text), 5)]
    frames: list[Any] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    frames.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})

    async def body() -> AsyncIterator[bytes]:
        for frame in frames:
            yield b"data: " + msgspec.json.encode(frame) + b"\n\n"
            await anyio.lowlevel.checkpoint()
        yield b"data: [DONE]\n\n"

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(msgspec.json.decode(request.content))
        return httpx.Response(200, content=body(), headers={"content-type": "text/event-stream"})

    http_client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return LLMClient.create("openai", "m", "k", max_retries=0, http_client=http_client), asked


async def test_a_type_of_the_service() -> None:
    """The browser names a type; it sees the value grow, gets it whole at the end, and the message to go on with."""
    client, asked = streaming('{"harbour": "Husum", "metres": 3.5}')
    body = {"messages": HELLO, "schema": "tide"}
    response = await post(create_app(client, schemas={"tide": Tide}), body, accept="application/x-ndjson")
    frames = [msgspec.json.decode(line) for line in response.text.splitlines()]
    changes = [change for frame in frames for change in frame.get("partial_parse_deltas", [])]
    assert asked[0]["response_format"]["json_schema"]["name"] == "Tide"
    assert {"at": ["harbour"], "set": "Hu"} in changes
    assert {"at": ["harbour"], "add": "sum"} in changes
    assert frames[-1]["structured_output"] == {"harbour": "Husum", "metres": 3.5}
    assert frames[-1]["message"]["content"] == '{"harbour": "Husum", "metres": 3.5}'


async def test_an_answer_of_another_type() -> None:
    """An answer that is not of the type is an error, as the last frame."""
    client, _ = streaming('{"harbour": 1}')
    response = await post(create_app(client, schemas={"tide": Tide}), {"messages": HELLO, "schema": "tide"})
    assert '"type":"schema_mismatch"' in response.text


@pytest.mark.parametrize(
    ("schemas", "asked"),
    [({"tide": Tide}, "other"), ({"tide": Tide}, {"type": "object"}), (None, "tide"), ({}, {"type": "object"})],
)
async def test_other_types_are_refused(schemas: Any, asked: Any) -> None:
    """Where the service has types of its own there are no others, and a name means nothing where it has none."""
    response = await post(create_app(replaying(500, b"", {}), schemas=schemas), {"messages": HELLO, "schema": asked})
    assert (response.status_code, response.json()["error"]["place"]) == (422, "$.schema")


async def test_a_schema_of_the_browser() -> None:
    """Without types of the service's own the browser's JSON Schema is asked for."""
    client, asked = streaming('{"a": 1}')
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    response = await post(create_app(client), {"messages": HELLO, "schema": schema})
    assert '"structured_output":{"a":1}' in response.text
    assert asked[0]["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize("path", ["/chat", "/chat/stream"])
async def test_what_cannot_be_asked_is_the_browsers_fault(path: str) -> None:
    """A request that no provider can be sent is a 422, not a fault of the service."""
    body = {"messages": HELLO, "tools": [{"name": "f"}, {"name": "f"}]}
    response = await post(create_app(replaying(500, b"", {})), body, path)
    error = {"type": "invalid_body", "message": "tools: two are named 'f'.", "place": "$"}
    assert (response.status_code, response.json()["error"]) == (422, error)


async def test_the_page_is_served() -> None:
    """The page and its module stand beside the service, under a policy that lets in nothing else."""
    async with browser(demo_app()) as client:
        page, module = await client.get("/"), await client.get("/miiflow-llm.js")
        models = (await client.get("/models")).json()
        missing = await client.get("/../pyproject.toml")
    assert "script-src 'self' 'sha256-" in page.headers["content-security-policy"]
    assert module.headers["content-type"].startswith("text/javascript")
    assert len(module.content) <= 4096
    assert models["providers"][0]["name"] == "replay"
    assert missing.status_code == 404
