"""Requests that are signed: the published signatures, what the signature covers, and that no part of a key shows."""

from __future__ import annotations

import pickle
import re
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from miiflow_llm import AccessKey, LLMClient, SyncLLMClient
from miiflow_llm.calls.target import Target
from miiflow_llm.core.exceptions import (
    AuthenticationError,
    ConfigurationError,
    PermissionDeniedError,
    ProviderError,
    QuotaExceededError,
)
from miiflow_llm.http.transport import TransportName
from miiflow_llm.providers._sigv4 import canonical_request, signed
from miiflow_llm.replay import ReplayServer, fake_body, fake_pair, load, record
from miiflow_llm.replay.fake import FakeError
from miiflow_llm.tables import UnsignedRequest

EXAMPLE = AccessKey("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
KEY = AccessKey("AKIDTIDE00000000", "secret-of/the+tide-0123456789abcdef", "token-of+the/session=0123456789abcdef")
PARTS = (KEY.secret, str(KEY.session_token))
MODEL = "us.amazon.nova-2-lite-v1:0"


@pytest.mark.parametrize(
    ("method", "target", "content_type", "body", "signature"),
    [
        ("GET", "/", "", b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", "", b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            "",
            b"",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "POST",
            "/",
            "application/x-www-form-urlencoded",
            b"Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ],
)
def test_published_signatures(method: str, target: str, content_type: str, body: bytes, signature: str) -> None:
    """The signatures of AWS's own test suite."""
    moment = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
    outgoing = UnsignedRequest(method, "example.amazonaws.com", target, content_type, body)
    made = signed(outgoing, EXAMPLE, "us-east-1", service="service", moment=moment)
    names = "content-type;host;x-amz-date" if content_type else "host;x-amz-date"
    assert made == {
        "x-amz-date": "20150830T123600Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}",
    }


def test_the_path_is_escaped_twice() -> None:
    """What is escaped on the wire is escaped once more to be signed, as AWS does for all services but one."""
    target = "/model/arn%3Aaws%3Abedrock%2Fp%C3%A9/converse~-_."
    headers = {"host": "h.example", "x-amz-date": "20261124T000000Z"}
    unsigned = UnsignedRequest("POST", "h.example", target, "", b"")
    lines = canonical_request(unsigned, headers, "host;x-amz-date").split("\n")
    assert lines[:2] == ["POST", "/model/arn%253Aaws%253Abedrock%252Fp%25C3%25A9/converse~-_."]
    assert lines[2:7] == ["", "host:h.example", "x-amz-date:20261124T000000Z", "", "host;x-amz-date"]


OUTGOING = UnsignedRequest("POST", "h.example", "/model/a%3Ab/converse?x=1", "application/json", b"{}")


@pytest.mark.parametrize(
    "other",
    [
        {"method": "PUT"},
        {"host": "i.example"},
        {"target": "/model/a%3Ac/converse?x=1"},
        {"target": "/model/a:b/converse?x=1"},
        {"target": "/model/a%3Ab/converse?x=2"},
        {"content_type": "text/plain"},
        {"body": b"{ }"},
    ],
    ids=str,
)
def test_a_signature_covers_the_request(other: dict[str, Any]) -> None:
    """Another method, host, path, query, content type or body has another signature."""
    moment = datetime(2026, 11, 24, tzinfo=UTC)
    made = [
        signed(one, KEY, "eu-west-1", service="bedrock", moment=moment)["authorization"]
        for one in (OUTGOING, OUTGOING, msgspec.structs.replace(OUTGOING, **other))
    ]
    assert made[0] == made[1] != made[2]


def checked(request: httpx.Request) -> str:
    """The credential that the request is signed with, after the signature was made anew over what came."""
    said = request.headers["authorization"]
    found = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=(\w+)/\d{8}/([\w-]+)/bedrock/aws4_request, .*", said)
    assert found is not None
    moment = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    outgoing = UnsignedRequest(
        request.method,
        request.headers["host"],
        request.url.raw_path.decode(),
        request.headers["content-type"],
        request.content,
    )
    assert signed(outgoing, KEY, found[2], service="bedrock", moment=moment)["authorization"] == said
    assert request.headers["x-amz-security-token"] == KEY.session_token
    return f"{found[1]} in {found[2]}"


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [True, False])
async def test_what_is_sent_is_what_is_signed(stream: bool) -> None:
    """The signature that goes out is that of the request as it goes out; a retry is signed anew."""
    seen: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(checked(request))
        return httpx.Response(503, headers={"retry-after": "0"}) if len(seen) == 1 else answer

    capture = fake_body("bedrock_converse", text="Six.", streaming=stream)
    answer = httpx.Response(200, headers={"content-type": capture.content_type}, content=capture.body)
    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http:
        client = LLMClient.create("bedrock", MODEL, KEY, region="eu-west-1", http_client=http)
        said = await _text(client, stream)
    assert said == "Six."
    assert seen == ["AKIDTIDE00000000 in eu-west-1"] * 2


async def _text(client: LLMClient, stream: bool) -> str:
    if not stream:
        return (await client.chat("Hi é")).content
    return "".join([chunk.delta async for chunk in client.stream_chat("Hi é")])


@pytest.mark.anyio
@pytest.mark.parametrize("transport", ["lean", "httpx"])
async def test_over_a_socket(transport: TransportName) -> None:
    """Both transports send the headers of the signature, and the server's log of requests hides them."""
    async with ReplayServer(fake_pair("bedrock_converse", text="Six.")) as server:
        options: Any = {"base_url": server.url_for("bedrock"), "region": "eu-west-1", "transport": transport}
        async with LLMClient.create("bedrock", MODEL, KEY, **options) as client:
            assert await _text(client, True) == await _text(client, False) == "Six."
        for request in server.requests:
            assert request.headers["authorization"] == request.headers["x-amz-security-token"] == "***"
            assert request.path.startswith("/model/us.amazon.nova-2-lite-v1%3A0/converse")


def test_without_an_event_loop() -> None:
    """The synchronous client signs too."""
    seen: list[str] = []
    capture = fake_body("bedrock_converse", text="Six.", streaming=False)

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(checked(request))
        return httpx.Response(200, content=capture.body)

    with httpx.Client(transport=httpx.MockTransport(respond)) as http:
        client = SyncLLMClient.create("bedrock", MODEL, KEY, region="eu-west-1", http_client=http)
        assert client.chat("Hi").content == "Six."
    assert len(seen) == 1


ENVIRONMENT = {"AWS_ACCESS_KEY_ID": KEY.id, "AWS_SECRET_ACCESS_KEY": KEY.secret, "AWS_REGION": "us-west-2"}


def target(monkeypatch: pytest.MonkeyPatch, *, given: str | AccessKey | None = None, **more: str) -> Target:
    """The target in an environment with a key of two parts, and what else is given."""
    for name, value in {**ENVIRONMENT, **more}.items():
        monkeypatch.setenv(name, value)
    return Target.of("bedrock", api_key=given)


def test_which_key_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given wins over the environment; in it an API key wins over a key of two parts."""
    prefixes = {"AWS4-HMAC-SHA256 ***": "signed", "Bearer ***": "sent"}

    def used(**given: Any) -> str:
        credential = target(monkeypatch, **given).credential
        assert credential is not None
        return prefixes[credential.hidden()]

    assert used() == "signed"
    assert used(given="k") == "sent"
    assert used(AWS_BEARER_TOKEN_BEDROCK="k") == "sent"
    assert used(given=KEY) == "signed"


def test_the_parts_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Id, secret and session are each taken from their variable."""
    seen: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(checked(request))
        return httpx.Response(200, content=fake_body("bedrock_converse", text="x", streaming=False).body)

    for name, value in {**ENVIRONMENT, "AWS_SESSION_TOKEN": str(KEY.session_token)}.items():
        monkeypatch.setenv(name, value)
    with httpx.Client(transport=httpx.MockTransport(respond)) as http:
        SyncLLMClient.create("bedrock", MODEL, http_client=http).chat("Hi")
    assert seen == ["AKIDTIDE00000000 in us-west-2"]


@pytest.mark.parametrize(
    ("given", "environment", "words"),
    [
        ({}, {}, "no API key; pass api_key=... or set AWS_BEARER_TOKEN_BEDROCK or AWS_ACCESS_KEY_ID and AWS_SECRET"),
        ({}, {"AWS_ACCESS_KEY_ID": "a"}, "no API key"),
        ({"api_key": KEY}, {}, r"no region; pass region=\.\.\. or set AWS_REGION or AWS_DEFAULT_REGION"),
        ({"api_key": KEY, "base_url": "https://a.example"}, {}, "no region"),
        ({"api_key": "k"}, {}, "no region"),
        ({"api_key": "k", "region": "mars"}, {}, "'mars' is not a region"),
        ({"api_key": "k", "region": "evil.example/x-1"}, {}, "is not a region"),
        ({"api_key": "k", "region": "us-east-1.evil.example/"}, {}, "is not a region"),
        ({"api_key": ""}, {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}, "no API key"),
        ({"api_key": AccessKey("", "s"), "region": "us-east-1"}, {}, "both the id and the secret"),
        ({"api_key": AccessKey("a\n", "s"), "region": "us-east-1"}, {}, "no header may hold"),
    ],
    ids=str,
)
def test_what_is_missing_is_told(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], environment: dict[str, str], words: str
) -> None:
    """What is missing or wrong is an error when the client is made, and names what would help."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=words):
        LLMClient.create("bedrock", MODEL, **given)


def test_an_api_key_needs_no_region_at_an_address() -> None:
    """A key that is sent needs a region for the address alone."""
    plan = LLMClient.create("bedrock", MODEL, "k", base_url="https://a.example/aws").plan("Hi")
    assert plan.url == "https://a.example/aws/model/us.amazon.nova-2-lite-v1%3A0/converse"
    assert plan.headers["authorization"] == "Bearer ***"


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_others_sign_nothing_and_have_no_regions(provider: str) -> None:
    """Elsewhere such a key, and a region, are errors: nothing that is given is left out in silence."""
    with pytest.raises(ConfigurationError, match="not signed here"):
        LLMClient.create(provider, "m", KEY)
    with pytest.raises(ConfigurationError, match="has no regions"):
        LLMClient.create(provider, "m", "k", region="us-east-1")


def test_a_copy_elsewhere_gets_no_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider of the configuration's own, at its own address, is not shown the session of AWS."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    entry = {"like": "bedrock", "base_url": "https://proxy.example", "models": ["m"]}
    with pytest.raises(ConfigurationError, match="no API key"):
        LLMClient.from_config({"providers": {"mine": entry}})
    found = LLMClient.from_config({"providers": {"bedrock": {"region": "eu-west-1", "models": ["m"]}}})
    assert found.plan("Hi").url.startswith("https://bedrock-runtime.eu-west-1.")


def texts(folder: Path) -> list[str]:
    """What the files of a folder say."""
    return [path.read_text() for path in folder.rglob("*.*")]


@pytest.mark.anyio
async def test_no_part_of_a_key_shows(tmp_path: Path) -> None:
    """Not in reprs, plans, errors with all their variables, recordings, or pickles."""
    error = fake_body("bedrock_converse", error=FakeError("no", status=403), streaming=False)
    async with ReplayServer([error]) as server:
        with record(tmp_path, provider="bedrock") as transport:
            async with httpx.AsyncClient(transport=transport) as http:
                client = LLMClient.create(
                    "bedrock", MODEL, KEY, base_url=server.url_for("bedrock"), region="eu-west-1", http_client=http
                )
                with pytest.raises(PermissionDeniedError) as caught:
                    await client.chat("Hi")
    target = client._setup.target
    shown = [repr(KEY), repr(client), repr(target), repr(target.credential), str(client.plan("Hi"))]
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    shown += ["".join(frames.format()), repr(caught.value.__dict__)]
    shown += texts(tmp_path)
    assert len(transport.written) == 1
    assert not [part for part in PARTS for text in shown if part in text]
    assert not [text for text in shown if "Signature=" in text]
    assert client.plan("Hi").headers["authorization"] == "AWS4-HMAC-SHA256 ***"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(target.credential)


@pytest.mark.anyio
async def test_a_recorded_stream_is_sealed_again(tmp_path: Path) -> None:
    """Where the answer repeats the key it is blotted out, and the messages' checksums are right all the same."""
    capture = fake_body("bedrock_converse", text=f"You sent {KEY.secret} indeed.")
    async with ReplayServer([capture]) as server:
        with record(tmp_path, provider="bedrock", redact=[KEY.secret]) as transport:
            async with httpx.AsyncClient(transport=transport) as http:
                options: Any = {"base_url": server.url_for("bedrock"), "region": "eu-west-1", "http_client": http}
                await _text(LLMClient.create("bedrock", MODEL, KEY, **options), True)
    kept = load(transport.written[0])
    assert KEY.secret.encode() not in kept.body
    assert kept.file is not None
    assert kept.file.suffix == ".bin"
    async with ReplayServer([kept]) as server:
        async with LLMClient.create("bedrock", MODEL, "k", base_url=server.url_for("bedrock")) as client:
            assert await _text(client, True) == f"You sent {'x' * len(KEY.secret)} indeed."


@pytest.mark.anyio
async def test_a_recorded_error_stays_what_it_was(tmp_path: Path) -> None:
    """The headers that say of what kind an error is, and its id, are kept: the recording is the same error."""
    headers = {"x-amzn-errortype": "ServiceQuotaExceededException", "x-amzn-requestid": "r1", "x-amzn-account-id": "1"}
    error = fake_body("bedrock_converse", error=FakeError("no more", status=400), streaming=False)
    error.headers = {**headers, "content-type": "application/json"}
    async with ReplayServer([error]) as server:
        with record(tmp_path, provider="bedrock") as transport:
            async with httpx.AsyncClient(transport=transport) as http:
                client = LLMClient.create("bedrock", MODEL, "k", base_url=server.url_for("bedrock"), http_client=http)
                with pytest.raises(QuotaExceededError):
                    await client.chat("Hi")
    kept = load(transport.written[0])
    assert {name: kept.headers.get(name) for name in headers} == {**headers, "x-amzn-account-id": None}
    async with ReplayServer([kept]) as server:
        async with LLMClient.create("bedrock", MODEL, "k", base_url=server.url_for("bedrock")) as client:
            with pytest.raises(QuotaExceededError) as caught:
                await client.chat("Hi")
    assert caught.value.request_id == "r1"


@pytest.mark.anyio
async def test_a_wrong_signature_is_a_wrong_key() -> None:
    """What AWS says of a signature that it does not know is an error of authentication, and not tried again."""
    said = {"message": "The request signature we calculated does not match the signature you provided."}
    headers = {"x-amzn-errortype": "InvalidSignatureException", "x-amzn-requestid": "r1"}
    transport = httpx.MockTransport(lambda request: httpx.Response(403, headers=headers, json=said))
    async with httpx.AsyncClient(transport=transport) as http:
        client = LLMClient.create("bedrock", MODEL, KEY, region="us-east-1", http_client=http)
        with pytest.raises(AuthenticationError) as caught:
            await client.chat("Hi")
    assert (len(caught.value.attempts), caught.value.request_id) == (1, "r1")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("provider", "key", "secrets"),
    [
        ("bedrock", KEY, PARTS),
        ("bedrock", "ABSK-of-the-tide", ("ABSK-of-the-tide",)),
        ("openai", "sk-tide-1", ("sk-tide-1",)),
    ],
    ids=["signed", "sent", "elsewhere"],
)
async def test_a_key_that_is_repeated_does_not_show(provider: str, key: Any, secrets: tuple[str, ...]) -> None:
    """A provider may repeat in an error what it was sent, as AWS does to show what it would have signed."""
    words = f"the canonical string should have been x-amz-security-token:{' and '.join(secrets)} and no other"
    body = msgspec.json.encode({"message": words, "error": {"message": words}})
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(403, content=body))) as http:
        options: Any = {"region": "us-east-1"} if provider == "bedrock" else {}
        client = LLMClient.create(provider, "m", key, http_client=http, **options)
        with pytest.raises(ProviderError) as caught:
            await client.chat("Hi")
    error = caught.value
    shown = [str(error), repr(error), error.message, error.body.decode(), str(error.__dict__)]
    assert not [one for one in secrets for text in shown if one in text]
    assert "x-amz-security-token:***" in error.message
    assert "and no other" in error.body.decode()
