"""Credentials are kept from sight, however they were given and however a provider repeats them."""

from __future__ import annotations

import base64
import html
import json
import logging
import pickle
import time
import traceback
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miiflow_llm import LLMClient, SyncLLMClient
from miiflow_llm.core.blot import Blot
from miiflow_llm.core.events import CallEvent
from miiflow_llm.core.exceptions import ConfigurationError, MiiflowLLMError, StreamProtocolError
from miiflow_llm.core.secrets import (
    HIDDEN,
    KEY_FORMATS,
    Sealed,
    hide,
    hide_query,
    hide_values,
    in_headers,
    is_credential_field,
    is_credential_header,
    is_credential_parameter,
)

from .server import CLOSE, HANG, FaultServer, Steps, whole
from .test_security import _everything_said
from .wires import OPENAI_CHAT

KEY = 'a+b/c="d&e<f>0123456789'
"""A key with everything in it that somebody escapes."""

HEADERS = {
    "Authorization": f"Bearer {KEY}",
    "x-portkey-api-key": KEY,
    "Helicone-Auth": f"Bearer {KEY}",
    "cf-aig-authorization": f"Bearer {KEY}",
    "X-Api-Key": KEY,
    "api-key": KEY,
    "Ocp-Apim-Subscription-Key": KEY,
    "x-goog-api-key": KEY,
    "Proxy-Authorization": "Basic " + base64.b64encode(f"user:{KEY}".encode()).decode(),
    "Cookie": f"session={KEY}; other={KEY}2",
    "x-session-token": KEY,
    "x-client-secret": KEY,
}
PLAIN = (
    "accept",
    "content-type",
    "x-request-id",
    "x-stainless-lang",
    "openai-beta",
    "anthropic-version",
    "x-tokens",
    "keyed",
)


def forms(secret: str) -> dict[str, str]:
    """The secret as providers write it into their answers."""
    unicode = "".join(f"\\u{ord(character):04x}" for character in secret)
    return {
        "plain": secret,
        "JSON": json.dumps(secret)[1:-1],
        "JSON with slashes escaped": json.dumps(secret)[1:-1].replace("/", "\\/"),
        "JSON all escaped": unicode,
        "JSON all escaped, upper case": unicode.replace("\\u00", "\\U00").upper().replace("\\U", "\\u"),
        "JSON for HTML": json.dumps(secret)[1:-1]
        .replace("&", "\\u0026")
        .replace("<", "\\u003c")
        .replace("+", "\\u002B"),
        "JSON in JSON": json.dumps(json.dumps(secret))[3:-3],
        "JSON in JSON in JSON": json.dumps(json.dumps(json.dumps(secret)))[5:-5],
        "URL": quote(secret, safe=""),
        "URL in lower case": quote(secret, safe="").lower(),
        "URL twice": quote(quote(secret, safe=""), safe=""),
        "HTML": html.escape(secret),
        "HTML by number": "".join(f"&#{ord(character)};" for character in secret),
        "HTML by hexadecimal number": "".join(f"&#x{ord(character):X};" for character in secret),
        "HTML without semicolons": "".join(f"&#{ord(character)}" for character in secret),
        "Python bytes": "".join(f"\\x{ord(character):02x}" for character in secret),
        "octal": "".join(f"\\{ord(character):03o}" for character in secret),
        "JavaScript": "".join(f"\\u{{{ord(character):x}}}" for character in secret),
        "old JavaScript": "".join(f"%u{ord(character):04X}" for character in secret),
        "hexadecimal": secret.encode().hex(),
        "hexadecimal, upper case": secret.encode().hex().upper(),
        "base64": base64.b64encode(secret.encode()).decode().rstrip("="),
        "base64 for URLs": base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
        "base64 in JSON": base64.b64encode(secret.encode()).decode().rstrip("=").replace("/", "\\/"),
        "lower case": secret.lower(),
        "upper case": secret.upper(),
    }


@pytest.mark.parametrize("form", forms(KEY))
def test_every_form_is_found(form: str) -> None:
    """Alone and inside a sentence, in text and in bytes, nested too."""
    written = forms(KEY)[form]
    blot = Blot([KEY])
    said = f"Incorrect key: {written}. See https://x/?a=1&b=%20"
    for shown in (
        blot.text(written),
        blot.text(said),
        blot.bytes(said.encode()).decode(),
        json.dumps(blot.value({"a": [said]})),
    ):
        assert HIDDEN in shown
        assert written not in shown
        assert "0123456789" not in shown
    assert blot.text(said).startswith("Incorrect key: ")
    assert blot.text(said).endswith(". See https://x/?a=1&b=%20")


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60), st.data())
def test_any_key_in_any_form(key: str, data: st.DataObject) -> None:
    """Whatever a key is made of, no form of it is left."""
    written = data.draw(st.sampled_from(list(forms(key).values())))
    blot = Blot([key])
    assert written not in blot.text(f"<< {written} >>").removeprefix("<< ").removesuffix(" >>").replace(HIDDEN, "")
    for cut in range(8, len(key)):
        assert not blot.text(f"key {key[:cut]}").endswith(key[:cut])


@pytest.mark.parametrize("before", ["", ":", "me:", "user:", "Bearer "])
@pytest.mark.parametrize("after", ["", ":", ":x", ":xy"])
def test_base64_of_more_than_a_key(before: str, after: str) -> None:
    """A key inside of what is encoded, as HTTP's Basic scheme has it, is found wherever it begins there."""
    written = base64.b64encode(f"{before}{KEY}{after}".encode()).decode()
    shown = Blot([KEY]).text(f"bad credentials: {written}")
    assert HIDDEN in shown
    inside = base64.b64encode(KEY[3:].encode()).decode()
    assert all(part not in shown for part in (written, inside[4:-4], written[12:24]))


@pytest.mark.parametrize("closing", ["", "'", '")', "'."])
@pytest.mark.parametrize("form", forms(KEY))
def test_a_key_that_the_end_cuts_off(form: str, closing: str) -> None:
    """Of a message that was cut off inside a key, in quotation marks or not, what is left of it goes."""
    written = forms(KEY)[form]
    nine, ten = (forms(KEY[:size])[form].rstrip("=") for size in (9, 10))
    for cut in range(len(ten), len(written)):
        shown = Blot([KEY]).text(f"wrong key: {written[:cut]}{closing}")
        assert nine[: len(nine) - 2] not in shown, (cut, shown)


@pytest.mark.parametrize("piece", ["\\", "%25", "%", "&#0", "\\u00", "\\u{0", "a+b", "a", "eyJ", "sk-", "Bearer "])
def test_looking_costs_in_proportion(piece: str) -> None:
    """Whatever a provider writes, looking through twice as much takes no more than some three times as long."""
    blot = Blot([KEY])

    def seconds(size: int) -> float:
        text = (piece * size)[:size]
        best = []
        for _ in range(3):
            began = time.process_time()
            blot.text(text)
            best.append(time.process_time() - began)
        return min(best)

    seconds(1000)
    assert seconds(64_000) < 0.02 + 8 * seconds(16_000)


def test_what_is_short_or_another_word_stays() -> None:
    """A local server's key `ollama` is a word like others; a text without the key is as it was."""
    assert Blot(["ollama"]).text("no model in ollama") == "no model in ollama"
    text = 'a "text" with \\u00e9, %41, &amp; and <b>'
    assert Blot([KEY]).text(text) == text
    assert Blot([]).text(text) == text


@pytest.mark.parametrize(("kind", "pattern"), KEY_FORMATS)
def test_a_key_of_somebody_else_is_found_by_its_format(kind: str, pattern: str) -> None:
    """A gateway may repeat its own key for the provider behind it."""
    import re
    from random import Random

    samples = {
        "a bearer token": "Bearer abcdefghij0123456789ABCD",
        "a JSON web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2lnbmF0dXJlLWhlcmU",
        "a GitHub token": "ghp_" + "a1B2" * 9,
        "an AWS access key": "AKIAABCDEFGHIJKLMNOP",
        "a Google access token": "ya29.abcdefghij0123456789",
        "an API key": "sk-proj-abcdefghij0123456789",
    }
    head = re.match(r"[A-Za-z0-9_-]+", pattern)
    dice = Random(kind)
    made = samples.get(kind) or (head.group() if head else "") + "".join(
        dice.choice("0123456789abcdef") for _ in range(40)
    )
    if kind == "a Google key":
        made = made[:39]
    if kind == "a Databricks token":
        made = made[:36]
    assert re.fullmatch(pattern, made), made
    shown = Blot([]).text(f"upstream said: {made}!")
    assert made not in shown
    assert HIDDEN in shown


def test_the_list_of_names() -> None:
    """Headers, parameters and fields that hold credentials are known by name; others are not taken for them."""
    assert [name for name in HEADERS if not is_credential_header(name)] == []
    assert [name for name in PLAIN if is_credential_header(name)] == []
    assert all(
        map(
            is_credential_parameter,
            ("key", "api_key", "API-KEY", "access_token", "sig", "X-Amz-Signature", "client_secret", "api%5Fkey"),
        )
    )
    assert not any(map(is_credential_parameter, ("model", "alt", "keyword", "max_tokens", "api-version")))
    assert all(
        map(
            is_credential_field,
            ("authorization_token", "authorization", "api_key", "apiKey", "client_secret", "password"),
        )
    )
    assert not any(map(is_credential_field, ("max_tokens", "signature", "tokens", "prompt_cache_key", "key", 3)))


def test_what_is_hidden_where() -> None:
    """Headers, queries and bodies are shown without their credentials, and else as they are."""
    assert set(hide(HEADERS).values()) == {HIDDEN}
    assert hide({"Accept": "x"}) == {"accept": "x"}
    assert hide_query("a=1&key=s&b=2") == "a=1&key=***&b=2"
    body = {"tools": [{"type": "mcp", "authorization": "s"}], "mcp_servers": [{"authorization_token": "s", "url": "u"}]}
    assert "s" not in json.dumps(hide_values(body)).replace("mcp_servers", "").replace("tools", "").replace(
        "servers", ""
    )
    assert body["tools"][0]["authorization"] == "s"  # type: ignore[index]
    assert {KEY} <= set(in_headers(HEADERS.items()))
    assert KEY not in repr(Sealed(HEADERS)) + repr([Sealed({"tools": [{"authorization": KEY}]})])


def client_of(loop: str, url: str, **options: Any) -> Any:
    kind = SyncLLMClient if loop == "none" else LLMClient
    options = {"api_key": "another-key-0123456789", "max_retries": 0, **options}
    return kind.create("openai", "m", base_url=url, **options)


def raised_by(loop: str, client: Any, *, stream: bool, **parameters: Any) -> MiiflowLLMError:
    """The error of one call."""
    import anyio

    async def on_loop() -> MiiflowLLMError:
        async with client:
            with pytest.raises(MiiflowLLMError) as raised:
                if stream:
                    async for _ in client.stream_chat("Hi", **parameters):
                        pass
                else:
                    await client.chat("Hi", **parameters)
        return raised.value

    if loop != "none":
        return anyio.run(on_loop, backend=loop)
    with client, pytest.raises(MiiflowLLMError) as raised:
        list(client.stream_chat("Hi", **parameters)) if stream else client.chat("Hi", **parameters)
    return raised.value


def echoes(written: str) -> dict[str, Steps]:
    """Answers that repeat a key, everywhere that words of a provider come from."""
    said = json.dumps({"error": {"message": "wrong: KEY", "type": "KEY", "code": "KEY", "param": "KEY"}})
    body = said.replace("KEY", written if "\\" in written else json.dumps(written)[1:-1]).encode()
    ascii_only = written.replace("\n", "")
    return {
        "401": whole(body, 401, "application/json", f"x-request-id: {ascii_only}", f"request-id: {ascii_only}"),
        "500 page": whole(f"<html>{written}</html>".encode(), 500, "text/html", f"x-request-id: {ascii_only}"),
        "error in a stream": OPENAI_CHAT.streamed(b"data: " + body + b"\n\n"),
        "no JSON": OPENAI_CHAT.streamed(f'data: {{"choices": [{written}\n\n'.encode()),
        "cut off": OPENAI_CHAT.streamed(b"data: " + b"x" * 185 + written.encode() + b"\n\n"),
        "a page in place of a stream": whole(written.encode(), 200, "text/html"),
        "status line": [f"HTTP/1.1 400 {ascii_only}\r\ncontent-length: 0\r\n\r\n".encode("latin-1"), CLOSE],
    }


ECHOES = ("401", "500 page", "error in a stream", "no JSON", "cut off", "a page in place of a stream", "status line")
GIVEN = {
    "api_key": {"api_key": KEY},
    "headers": {"headers": {"x-portkey-api-key": KEY}},
    "headers by scheme": {"headers": {"Authorization": f"Bearer {KEY}"}},
    "default headers": {"defaults": {"extra_headers": {"Helicone-Auth": f"Bearer {KEY}"}}},
}
CALL = {
    "extra_headers": {"extra_headers": {"x-vendor-token": KEY}},
    "an MCP server's": {"extra_body": {"mcp_servers": [{"authorization_token": KEY}]}},
}


@pytest.mark.parametrize("form", ["plain", "JSON all escaped", "URL", "HTML"])
@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("how", [*GIVEN, *CALL])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_an_echo_shows_nowhere(stream: bool, how: str, echo: str, form: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not in an error's message, code, id, body or payload, its pickle, its attempts, or a log line."""
    written = forms(KEY)[form]
    with caplog.at_level(logging.DEBUG), FaultServer([echoes(written)[echo]]) as server:
        client = client_of("none", server.url, **GIVEN.get(how, {}))
        error = raised_by("none", client, stream=stream, **CALL.get(how, {}))
    shown = [
        *_everything_said(error),
        repr(error.attempts),
        pickle.dumps(error).decode("latin-1"),
        repr(error.to_dict(raw=True)),
    ]
    if isinstance(error, StreamProtocolError):
        shown.append(error.payload)
    shown += [record.getMessage() for record in caplog.records if record.name.startswith("miiflow_llm")]
    for text in shown:
        assert KEY not in text
        assert written not in text
        assert "f>0123456789" not in text


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("how", [*GIVEN, *CALL])
def test_an_echo_shows_nowhere_on_event_loops(loop: str, how: str) -> None:
    """The asynchronous client blots as the other does."""
    with FaultServer([echoes(KEY)["401"]]) as server:
        client = client_of(loop, server.url, **GIVEN.get(how, {}))
        error = raised_by(loop, client, stream=False, **CALL.get(how, {}))
    for text in [*_everything_said(error), repr(error.attempts), pickle.dumps(error).decode("latin-1")]:
        assert KEY not in text


@pytest.mark.parametrize("steps", [[CLOSE], [HANG]], ids=["closes", "hangs"])
@pytest.mark.parametrize("loop", ["asyncio", "trio", "none"])
@pytest.mark.parametrize("how", [*GIVEN, *CALL])
def test_no_traceback_shows_a_header(how: str, loop: str, steps: Steps) -> None:
    """The variables of our frames do not show what was given by `headers=`, and neither does a plan."""
    with FaultServer([steps]) as server:
        client = client_of(loop, server.url, timeout=0.2, **GIVEN.get(how, {}))
        plan = client.plan("Hi", **CALL.get(how, {}))
        error = raised_by(loop, client, stream=True, **CALL.get(how, {}))
    for text in (
        *_everything_said(error),
        repr(plan),
        json.dumps(plan.headers),
        json.dumps(plan.body),
        repr(client._setup),
    ):
        assert KEY not in text


def test_a_refused_header_does_not_show_its_value() -> None:
    """Nor do the frames between `create` and a header that cannot be sent."""
    with pytest.raises(ConfigurationError) as raised:
        client_of("none", "http://localhost", headers={"Authorization": f"Bearer {KEY}\r\nx: y"})
    for text in _everything_said(raised.value):
        assert KEY not in text


@pytest.mark.parametrize("how", ["headers", "headers by scheme"])
def test_no_header_goes_over_plain_http_to_another_machine(how: str) -> None:
    """A credential given by `headers=` may go no further in clear than `api_key`, those of one call neither."""
    options = {"api_key": None, **GIVEN[how]}
    with pytest.raises(ConfigurationError, match="allow_http"):
        SyncLLMClient.create("openai-compatible", "m", base_url="http://llm.example/v1", **options)  # type: ignore[arg-type]
    client = SyncLLMClient.create("openai-compatible", "m", base_url="http://llm.example/v1")
    assert client.plan("Hi", extra_headers={"x-trace": "1"}).headers["x-trace"] == "1"
    with pytest.raises(ConfigurationError, match="allow_http"):
        client.plan("Hi", extra_headers={"x-vendor-token": KEY})
    with pytest.raises(ConfigurationError, match="allow_http"):
        client.request("GET", "/models", headers={"x-vendor-token": KEY})


def test_hooks_see_no_credential() -> None:
    """The plan that a hook is told of, a telemetry's say, has none."""
    heard: list[CallEvent] = []
    with FaultServer([whole(OPENAI_CHAT.answer)]) as server:
        hooks = {"request": [heard.append], "finished": [heard.append]}
        client = client_of("none", server.url, headers=GIVEN["headers"]["headers"], event_hooks=hooks)
        with client:
            client.chat(
                "Hi", extra_headers={"x-vendor-token": KEY}, extra_body={"mcp_servers": [{"authorization_token": KEY}]}
            )
            client.request("GET", "/models", params={"key": KEY, "a": "1"})
        assert KEY.encode() in server.requests[0].body.replace(b'\\"', b'"')
        assert server.requests[0].headers["x-vendor-token"] == KEY
    assert len(heard) == 4
    for event in heard:
        assert KEY not in json.dumps(event.plan.headers) + json.dumps(event.plan.body) + event.plan.url + repr(event)
    assert "a=1" in heard[-1].plan.url


def test_customers_known_by_a_header_are_not_mixed() -> None:
    """Clients and calls that differ in such a credential alone differ in what a cache keeps answers under."""
    from miiflow_llm.caching.key import key_of

    one, other, same = (client_of("none", "https://x", headers={"x-portkey-api-key": f"{KEY}{end}"}) for end in "121")
    assert one.identity == same.identity != other.identity
    keys = {
        key_of(one, "Hi", parameters, tenant)
        for tenant in (None, "t")
        for parameters in ({}, *({"extra_headers": {"authorization": f"Bearer {KEY}{end}"}} for end in "12"))
    }
    assert len(keys) == 6
    bodies = [{"extra_body": {"mcp_servers": [{"authorization_token": f"{KEY}{end}"}]}} for end in "12"]
    assert len({key_of(one, "Hi", parameters, "t") for parameters in bodies}) == 2


class Broken(BaseException):
    """What ends a call from outside: Ctrl-C, a cancellation, a bug in somebody's hook."""


def shown_with_variables(raised: BaseException | None) -> str:
    """The tracebacks of an exception and of all behind it, with the variables of every frame but the test's own."""
    said = ""
    while raised is not None:
        frames = raised.__traceback__.tb_next if raised.__traceback__ is not None else None
        said += "".join(traceback.TracebackException(type(raised), raised, frames, capture_locals=True).format())
        raised = raised.__context__ or raised.__cause__
    return said


GIVEN_THREE_TIMES: dict[str, Any] = {"api_key": KEY, "headers": {"x-portkey-api-key": "header-0123456789"}}
IN_THE_BODY = {"extra_body": {"mcp_servers": [{"authorization_token": "body-0123456789"}]}}


@pytest.mark.parametrize(
    "place",
    ["http.lean.blocking_connection.BlockingConnection._push", "http.lean.response.ResponseReader.feed",
     "http.lean_sender.written", "http.lean_sender.header_lines", "http.transport_sync.timeouts_of",
     "calls.exchange.clock.monotonic"],
)  # fmt: skip
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_no_traceback_of_an_interruption_shows_a_credential(
    place: str, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends a call at any moment, its traceback shows no key, no header and no token in the body."""

    def breaks(*_: object, **__: object) -> None:
        raise Broken

    with FaultServer([whole(OPENAI_CHAT.answer)]) as server:
        client = client_of("none", server.url, transport="lean", **GIVEN_THREE_TIMES)
        with monkeypatch.context() as patch, pytest.raises(Broken) as raised:
            patch.setattr(f"miiflow_llm.{place}", breaks)
            list(client.stream_chat("Hi", **IN_THE_BODY)) if stream else client.chat("Hi", **IN_THE_BODY)
        client.close()
    said = shown_with_variables(raised.value)
    assert "Broken" in said
    assert not [word for word in (KEY, "header-0123456789", "body-0123456789") if word in said]


@pytest.mark.parametrize("transport", ["lean", "httpx"])
@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_no_traceback_of_a_cancellation_shows_a_credential(loop: str, transport: str) -> None:
    """A call that its caller's own limit ends leaves a cancellation behind it, with our frames."""
    import anyio

    async def ask(url: str) -> None:
        async with client_of(loop, url, transport=transport, **GIVEN_THREE_TIMES) as client:
            with anyio.fail_after(0.3):
                await client.chat("Hi", **IN_THE_BODY)

    with FaultServer([[HANG]]) as server, pytest.raises(TimeoutError) as raised:
        anyio.run(ask, server.url, backend=loop)
    said = shown_with_variables(raised.value)
    assert not [word for word in (KEY, "header-0123456789", "body-0123456789") if word in said]
