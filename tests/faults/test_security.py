"""The security lines, each with a test that fails when its defence is taken out."""

from __future__ import annotations

import copy
import gzip
import logging
import pickle
import ssl
import traceback
import tracemalloc
import zlib
from collections.abc import Iterator

import httpx
import pytest
import trustme

from miiflow_llm.core.exceptions import ConfigurationError, MiiflowLLMError, NetworkError, StreamProtocolError
from miiflow_llm.http.content_coding import PIECE, CodingError, coding_of

from .helpers import KEY, SHORT, client_at, sync_client_at
from .server import CLOSE, HANG, LAST_CHUNK, FaultServer, Request, Steps, chunk, head, whole
from .wire import Wire
from .wires import BEDROCK, GEMINI, OPENAI_CHAT, WIRES

ANSWER = whole(OPENAI_CHAT.answer)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _server_context(authority: trustme.CA, host: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context


@pytest.mark.anyio
async def test_a_certificate_that_nobody_vouches_for_is_refused(transport: str, authority: trustme.CA) -> None:
    """TLS is verified: no request, and no key, reaches a server with an unknown certificate."""
    with FaultServer([ANSWER], context=_server_context(authority, "localhost")) as server:
        async with client_at(server.url, transport) as client:
            with pytest.raises(NetworkError, match=r"(?i)certificate"):
                await client.chat("Hi")
        assert server.requests == []


def test_a_certificate_is_verified_without_a_loop_too(authority: trustme.CA) -> None:
    """The synchronous client looks at certificates as well."""
    with FaultServer([ANSWER], context=_server_context(authority, "localhost")) as server:
        with sync_client_at(server.url) as client, pytest.raises(NetworkError, match=r"(?i)certificate"):
            client.chat("Hi")
        assert server.requests == []


@pytest.mark.anyio
async def test_a_certificate_for_another_host_is_refused(authority: trustme.CA) -> None:
    """A known authority is not enough: the name must be right."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with FaultServer([ANSWER], context=_server_context(authority, "other.example")) as server:
        async with httpx.AsyncClient(verify=context) as http, client_at(server.url, http_client=http) as client:
            with pytest.raises(NetworkError, match=r"(?i)certificate"):
                await client.chat("Hi")
        assert server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/v1",
        "http://10.0.0.1/v1",
        "http://0.0.0.0/v1",
        "http://localhost.example.com/v1",
        "http://127.0.0.1.example.com/v1",
        "HTTP://EXAMPLE.COM",
    ],
)
def test_no_key_goes_over_plain_http_to_another_machine(url: str) -> None:
    """A key in the clear is refused before anything is sent, unless it was asked for."""
    with pytest.raises(ConfigurationError, match="allow_http"):
        client_at(url)
    client_at(url, allow_http=True)


@pytest.mark.parametrize("url", ["http://localhost/v1", "http://127.0.0.1:8000", "http://[::1]:8000/v1"])
def test_a_key_may_go_over_plain_http_to_this_machine(url: str) -> None:
    """Loopback is where local servers are."""
    client_at(url)


@pytest.mark.parametrize(
    "url",
    [
        "example.com/v1",
        "ftp://example.com",
        "https://",
        "https://user:pass@example.com",
        "https://example.com/v1?key=x",
        "https://example.com/v1#x",
        "https://exam ple.com",
        "https://example.com/v1\r\nx-a: b",
        "https://[::1",
        "https://example.com:port",
        "https://example.com:99999999",
        "https://example.com:0/v1",
        "https://xn--",
        "https://xn--a/v1",
        "https://\u2603.example",
        "https://999.999.999.999",
        "https://[v1.x]",
    ],
)
def test_an_unusable_address_is_refused(url: str) -> None:
    """What would break the request line, or send it elsewhere than it seems, is a `ConfigurationError`."""
    with pytest.raises(ConfigurationError, match="base_url"):
        client_at(url)


@pytest.mark.parametrize(
    "url",
    ["https://user:hunter22@[::1", "ftp://hunter22@example", "https://example.com:0/v1?key=hunter22", "x?hunter22"],
)
def test_a_refused_address_does_not_show_its_secrets(url: str) -> None:
    """A password or a key in an address that cannot be used is not repeated."""
    with pytest.raises(ConfigurationError, match="base_url") as caught:
        client_at(url)
    assert "hunter22" not in str(caught.value)


@pytest.mark.anyio
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(transport: str, status: int) -> None:
    """A redirect is an error: the other host hears nothing, the key least of all."""
    with FaultServer([ANSWER]) as other:
        away = head(status, "text/plain", f"location: {other.url}/v1", "content-length: 0")
        with FaultServer([[away]]) as server:
            async with client_at(server.url, transport) as client:
                with pytest.raises(MiiflowLLMError) as raised:
                    await client.chat("Hi")
            assert len(server.requests) == 1
        assert other.requests == []
    assert getattr(raised.value, "status_code", None) == status


@pytest.mark.anyio
async def test_no_redirect_is_followed_by_a_callers_client_either() -> None:
    """A client of the caller's own that follows redirects does not take our key along."""
    with FaultServer([ANSWER]) as other:
        away = head(307, "text/plain", f"location: {other.url}/v1", "content-length: 0")
        with FaultServer([[away]]) as server:
            async with httpx.AsyncClient(follow_redirects=True) as http:
                client = client_at(server.url, http_client=http)
                with pytest.raises(MiiflowLLMError):
                    await client.chat("Hi")
        assert other.requests == []


@pytest.mark.parametrize("status", [302, 307])
def test_no_redirect_is_followed_without_a_loop(status: int) -> None:
    """Nor by the synchronous client, whoever made the httpx client that it uses."""
    with FaultServer([ANSWER]) as other:
        away = head(status, "text/plain", f"location: {other.url}/v1", "content-length: 0")
        with FaultServer([[away]]) as server, httpx.Client(follow_redirects=True) as http:
            for options in ({}, {"http_client": http}):
                with sync_client_at(server.url, **options) as client, pytest.raises(MiiflowLLMError):
                    client.chat("Hi")
        assert other.requests == []


@pytest.mark.parametrize("key", ["sk-a\r\nx-evil: 1", "sk-a\nb", "sk-a\0b", "sk-ä", "sk-a\x7fb", "sk-a\x1bb"])
def test_a_key_cannot_carry_a_header(key: str) -> None:
    """A key with control or non-ASCII characters is refused, without being shown."""
    with pytest.raises(ConfigurationError) as raised:
        client_at("http://localhost", api_key=key)
    assert key not in str(raised.value)


@pytest.mark.parametrize(
    "headers",
    [{"x-a": "1\r\nx-b: 2"}, {"x-a\r\nx-b": "1"}, {"x-a:": "1"}, {"x a": "1"}, {"": "1"}, {"x-a": "\0"}, {"x-a": "ä"}],
)
def test_a_header_cannot_carry_another(headers: dict[str, str]) -> None:
    """Names are tokens, values stay on their line; both for a client's headers and for a call's."""
    with pytest.raises(ConfigurationError, match="header"):
        client_at("http://localhost", headers=headers)
    with pytest.raises(ConfigurationError, match="header"):
        client_at("http://localhost").plan("Hi", extra_headers=headers)


@pytest.mark.anyio
@pytest.mark.parametrize("model", ["a/../../b", "a b", "a?key=1#x", "a\r\nx-evil: 1", "ä%2e%2e", "..", "a:b@c"])
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
async def test_a_models_name_stays_in_its_place(wire: Wire, model: str, transport: str) -> None:
    """Whatever a model is called, the request has one line, a path below the base URL, and no header of its own."""
    with FaultServer([whole(wire.answer)]) as server:
        async with client_at(f"{server.url}/base", transport, wire) as client:
            try:
                await client.chat("Hi", model=model)
            except ConfigurationError:
                assert server.requests == []
                return
        line = server.requests[0].line.decode("ascii")
        assert line.count(" ") == 2
        assert KEY not in line
        path, _, query = line.split(" ")[1].partition("?")
        assert path.startswith("/base/")
        assert ".." not in path.replace("%2E", ".").split("/")
        assert "key=1" not in query
        assert "x-evil" not in server.requests[0].headers
        plain = client.plan("Hi", model="m").url.removeprefix(server.url)
        assert path == plain if wire not in (GEMINI, BEDROCK) else path.count("/") == plain.count("/")


def _everything_said(raised: BaseException) -> Iterator[str]:
    """Every form in which an exception may come before eyes, its tracebacks with the values of variables."""
    seen: BaseException | None = raised
    while seen is not None:
        assert not isinstance(seen, httpx.HTTPError), "it holds the request, and that the key"
        yield from (str(seen), repr(seen), repr(seen.args), repr(vars(seen)))
        yield "".join(
            traceback.TracebackException(
                type(seen), seen, _of_ours(seen), capture_locals=True, max_group_depth=3
            ).format(chain=False)
        )
        seen = seen.__cause__ or seen.__context__


def _of_ours(raised: BaseException) -> object:
    """The traceback below the test's own frames, which know the key."""
    trace = raised.__traceback__
    while trace is not None and "/tests/" in trace.tb_frame.f_code.co_filename:
        trace = trace.tb_next
    return trace


FAILURES: dict[str, Steps] = {
    "401": whole(b"", 401),
    "503": whole(b"", 503),
    "close": [CLOSE],
    "hang": [HANG],
    "body that breaks": [*OPENAI_CHAT.begun(b"{"), CLOSE],
    "body that stops": [*OPENAI_CHAT.begun(b"{"), HANG],
}


@pytest.mark.anyio
@pytest.mark.parametrize("steps", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("wire", WIRES[:2], ids=lambda wire: wire.name)
async def test_a_key_shows_in_no_error(
    wire: Wire, stream: bool, steps: Steps, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in messages, arguments, tracebacks with variables, chained exceptions, pickles or log lines."""
    with caplog.at_level(logging.DEBUG), FaultServer([steps]) as server:
        async with client_at(server.url, transport, wire, timeout=SHORT, max_retries=1) as client:
            with pytest.raises(MiiflowLLMError) as raised:
                [_ async for _ in client.stream_chat("Hi")] if stream else await client.chat("Hi")
            assert KEY in "".join(server.requests[0].headers.values())
    _check_secret(raised.value)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("miiflow_llm")]
    assert ours
    assert KEY not in "".join(ours)
    assert KEY not in caplog.text


def _check_secret(error: MiiflowLLMError) -> None:
    for said in _everything_said(error):
        assert KEY not in said
    assert KEY.encode() not in pickle.dumps(error)


@pytest.mark.parametrize("steps", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("wire", WIRES[:2], ids=lambda wire: wire.name)
def test_a_key_shows_in_no_error_without_a_loop(wire: Wire, stream: bool, steps: Steps) -> None:
    """Nor does it in those of the synchronous client."""
    with FaultServer([steps]) as server, sync_client_at(server.url, wire, timeout=SHORT, max_retries=1) as client:
        with pytest.raises(MiiflowLLMError) as raised:
            list(client.stream_chat("Hi")) if stream else client.chat("Hi")
        assert KEY in "".join(server.requests[0].headers.values())
    _check_secret(raised.value)


def test_a_key_shows_in_no_configuration_error() -> None:
    """The frames between `create` and a refused key do not show it among their variables."""
    with pytest.raises(ConfigurationError) as raised:
        client_at("http://localhost", api_key=f"{KEY}\x01")
    for said in _everything_said(raised.value):
        assert KEY not in said


def test_a_key_shows_in_no_repr_plan_or_pickle() -> None:
    """repr, str, plan() and vars() of what people hold hide it; pickling and copying a client are refused."""
    client = client_at("http://localhost")
    shown = [repr(client), str(client), repr(client.plan("Hi")), repr(client._setup), repr(client._setup.target)]
    assert KEY not in "".join(shown)
    assert "***" in repr(client.plan("Hi"))
    for copied in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="credential"):
            copied(client._setup.target.credential)
    with pytest.raises((TypeError, AttributeError)):
        pickle.dumps(client)


@pytest.mark.anyio
async def test_proxies_of_the_environment_are_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY and NO_PROXY mean what they mean to httpx."""
    with FaultServer([ANSWER]) as proxy, FaultServer([ANSWER]) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        async with client_at("http://llm.invalid/v1", allow_http=True) as client:
            assert (await client.chat("Hi")).content == "Hello"
        assert proxy.requests[0].line.startswith(b"POST http://llm.invalid/v1/chat/completions")
        async with client_at(server.url) as client:
            assert (await client.chat("Hi")).content == "Hello"
        assert len(server.requests) == 1
        assert len(proxy.requests) == 1


def test_proxies_of_the_environment_are_respected_without_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the synchronous client too."""
    with FaultServer([ANSWER]) as proxy, FaultServer([ANSWER]) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        for url in ("http://llm.invalid/v1", server.url):
            with sync_client_at(url, allow_http=True) as client:
                assert client.chat("Hi").content == "Hello"
        assert (len(proxy.requests), len(server.requests)) == (1, 1)


def _bomb(size: int) -> bytes:
    """A gzip body of `size` zero bytes, a thousand times smaller."""
    packer = zlib.compressobj(9, wbits=31)
    block = bytes(1 << 20)
    return b"".join([packer.compress(block) for _ in range(size >> 20)]) + packer.flush()


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_a_gzip_bomb_does_not_fill_memory(transport: str, stream: bool) -> None:
    """64 MB packed into 64 KB are unpacked no further than the limit of a frame or body."""
    with FaultServer([_bombing()]) as server:
        async with client_at(server.url, transport, max_frame_bytes=1 << 20, max_retries=0) as client:
            tracemalloc.start()
            with pytest.raises(StreamProtocolError, match="larger than"):
                if stream:
                    async for _ in client.stream_chat("Hi"):
                        pass
                else:
                    await client.chat("Hi")
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    assert peak < 16 << 20


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_a_gzip_bomb_does_not_fill_memory_without_a_loop(stream: bool) -> None:
    """The synchronous client has the same bounds."""
    with FaultServer([_bombing()]) as server:
        with sync_client_at(server.url, max_frame_bytes=1 << 20, max_retries=0) as client:
            tracemalloc.start()
            with pytest.raises(StreamProtocolError, match="larger than"):
                list(client.stream_chat("Hi")) if stream else client.chat("Hi")
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    assert peak < 16 << 20


def _bombing() -> Steps:
    return whole(_bomb(64 << 20), 200, OPENAI_CHAT.kind, "content-encoding: gzip")


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_unpacks_as_it_is_asked_for(name: str) -> None:
    """However much a body stands for, no more of it lies in memory than the coding's own step."""
    coded = _packed(name, bytes(64 << 20))
    coding = coding_of(name)
    assert coding is not None
    tracemalloc.start()
    coding.feed(coded)
    taken = sum(len(coding.take()) for _ in range(3))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0 < taken <= 3 * PIECE
    assert peak < 16 << 20


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_coding_is_undone_in_small_pieces(name: str) -> None:
    """Each piece is at most `PIECE` bytes, together they are the text; a cut or foreign body is an error."""
    plain = bytes(range(256)) * 4096 + bytes(4 << 20)
    coded = _packed(name, plain)
    coding = coding_of(name)
    assert coding is not None
    got = bytearray()
    for start in range(0, len(coded), 1000):
        coding.feed(coded[start : start + 1000])
        while piece := coding.take():
            assert len(piece) <= PIECE
            got += piece
    coding.finish()
    assert bytes(got) == plain
    cut = coding_of(name)
    assert cut is not None
    cut.feed(coded[: len(coded) // 2])
    while cut.take():
        pass
    with pytest.raises(CodingError, match="cut short"):
        cut.finish()
    foreign = coding_of(name)
    assert foreign is not None
    with pytest.raises(CodingError):
        foreign.feed(b"data: this is no coded body at all\n\n" * 9)
        while foreign.take():
            pass
        foreign.finish()


def _packed(name: str, plain: bytes) -> bytes:
    if name == "br":
        return bytes(pytest.importorskip("brotli").compress(plain, quality=5))
    if name == "zstd":
        return bytes(pytest.importorskip("zstandard").compress(plain))
    return gzip.compress(plain) if name == "gzip" else zlib.compress(plain)


@pytest.mark.anyio
async def test_log_lines_carry_no_control_characters(transport: str, caplog: pytest.LogCaptureFixture) -> None:
    """What the wire says may not forge a line, move a cursor or colour a terminal."""
    evil = "x-request-id: a\tb\x80\x85\x9bc"
    with caplog.at_level(logging.DEBUG, "miiflow_llm"), FaultServer([whole(b"", 401, "text/html", evil)]) as server:
        async with client_at(server.url, transport) as client:
            with pytest.raises(MiiflowLLMError) as raised:
                await client.chat("Hi")
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("miiflow_llm")]
    assert any("request_id=a?b???c" in line for line in lines)
    assert all(line.isprintable() for line in (*lines, str(raised.value)))


@pytest.mark.anyio
async def test_one_debug_line_an_attempt_and_no_content(transport: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each attempt is one line with its status, request id and times; prompt and answer are in none."""

    def script(request: Request) -> Steps:
        found = f"x-request-id: req-{request.number}"
        if request.number == 0:
            return whole(b"", 503, "text/html", found)
        return [OPENAI_CHAT.head(found) + chunk(OPENAI_CHAT.stream) + LAST_CHUNK]

    with caplog.at_level(logging.DEBUG, "miiflow_llm"), FaultServer(script) as server:
        async with client_at(server.url, transport) as client, client.stream_chat("My secret prompt") as stream:
            async for _ in stream:
                pass
    lines = [record.getMessage() for record in caplog.records if record.name == "miiflow_llm"]
    assert len(lines) == 2
    assert all(record.levelno == logging.DEBUG for record in caplog.records if record.name == "miiflow_llm")
    for number, line in enumerate(lines):
        assert f"request_id=req-{number}" in line
        assert "total_ms=" in line
        assert "Hello" not in line
        assert "secret" not in line
    assert "status=503" in lines[0]
    assert "status=200" in lines[1]


@pytest.mark.anyio
async def test_a_call_that_is_left_is_logged_too(transport: str, caplog: pytest.LogCaptureFixture) -> None:
    """Leaving a stream writes its line, as an end or a failure does."""
    steps = [*OPENAI_CHAT.begun(OPENAI_CHAT.text), HANG]
    with caplog.at_level(logging.DEBUG, "miiflow_llm"), FaultServer([steps]) as server:
        async with client_at(server.url, transport) as client, client.stream_chat("Hi") as stream:
            await stream.__anext__()
    assert [record.getMessage() for record in caplog.records if "reason=abandoned" in record.getMessage()]
