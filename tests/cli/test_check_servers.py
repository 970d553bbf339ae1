"""`miiflow-llm check` against whole servers, and the provider that its rows make of each of them."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from miiflow_llm import SyncLLMClient
from miiflow_llm.core import ImageBlock, Message, TextBlock
from miiflow_llm.core.exceptions import ConfigurationError, ModelNotFoundError, UnsupportedParameterError
from miiflow_llm.tables import Provider

from .running import KEY, Ran, run

pytest.importorskip("typer")

from miiflow_llm.cli.checking.finding import Finding
from miiflow_llm.cli.checking.options import PIXEL

Answer = tuple[int, str, bytes]
Body = dict[str, Any]
JSON = "application/json"
SSE = "text/event-stream"
PREFIX = ("import msgspec", "PROVIDER")


class Served(BaseHTTPRequestHandler):
    """A server by a function from path and body to an answer."""

    answer: Callable[[str, Body], Answer | None]

    def _reply(self, body: Body) -> None:
        given = type(self).answer(self.path, {**body, "key": self.headers.get("authorization")})
        if given is None:
            return
        status, kind, content = given
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        """The list of models."""
        self._reply({})

    def do_POST(self) -> None:
        """Anything else."""
        self._reply(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def server(answer: Callable[[str, Body], Answer | None]) -> Iterator[str]:
    """The base URL of a server that answers so; it breaks the connection where the answer is `None`."""
    handler = type("Handler", (Served,), {"answer": staticmethod(answer)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_address[1]}/v1"
        finally:
            http.shutdown()
            thread.join()


def value(status: int, body: Any) -> Answer:
    """An answer in JSON."""
    return status, JSON, json.dumps(body).encode()


def error(status: int, message: str, **more: Any) -> Answer:
    """An error as the format has it."""
    return value(status, {"error": {"message": message, **more}})


def sse(frames: list[Any]) -> Answer:
    """A stream."""
    return 200, SSE, b"".join(b"data: %s\n\n" % json.dumps(frame).encode() for frame in frames) + b"data: [DONE]\n\n"


CALL = {"id": "call_1", "type": "function"}


def called(name: str) -> Body:
    """The function of a call, with its arguments."""
    arguments = '{"city": "Oslo"}' if name.startswith("get_") else '{"animal": "dog", "legs": 4}'
    return {"name": name, "arguments": arguments}


class Server:
    """A server that does everything; what it does not do is said by its arguments, as paths and body keys.

    `refuses` are keys of a chat that give 400, `ignores` those that change nothing, `lacks` paths that give 404.
    """

    def __init__(self, *, refuses: tuple[str, ...] = (), ignores: tuple[str, ...] = (), lacks: tuple[str, ...] = ()):
        self.refuses, self.ignores, self.lacks = refuses, ignores, lacks
        self.asked: list[Body] = []

    def __call__(self, path: str, body: Body) -> Answer:
        path = path.removeprefix("/v1")
        self.asked.append({"path": path, **body})
        if path in self.lacks:
            return error(404, "no such path")
        if path == "/models":
            return value(200, {"data": [{"id": "tiny"}]})
        if body["key"] == "Bearer wrong-key":
            return error(401, "wrong key")
        if body["model"] != "tiny":
            return error(404, "no such model", code="model_not_found")
        return getattr(self, path.strip("/").split("/")[0])({k: v for k, v in body.items() if k not in self.ignores})

    def chat(self, body: Body) -> Answer:
        """Chat completions."""
        refused = [key for key in self.refuses if key in body] + [] * isinstance(body["messages"], list)
        if refused or not isinstance(body["messages"], list):
            return error(400, f"unknown field: {refused}")
        if "images" in self.refuses and "image_url" in json.dumps(body["messages"]):
            return error(500, "image input is not supported")
        text, limit = "one, two, three", body.get("max_tokens") or body.get("max_completion_tokens") or 99
        if "response_format" in body or "legs" in json.dumps(body["messages"]):
            text = '{"animal": "dog", "legs": 4}'
        if "stop" in body:
            text = text.partition(body["stop"][0])[0]
        finish = "length" if limit == 1 else "stop"
        message: Body = {"role": "assistant", "content": "one" if limit == 1 else text}
        if "tools" in body and body.get("tool_choice") != "none":
            made = {**CALL, "function": called(body["tools"][0]["function"]["name"])}
            message, finish = {"role": "assistant", "content": None, "tool_calls": [made]}, "tool_calls"
        choice: Body = {"index": 0, "finish_reason": finish}
        if body.get("logprobs"):
            choice["logprobs"] = {"content": [{"token": "one", "logprob": -0.1, "bytes": None, "top_logprobs": []}]}
        usage = {"prompt_tokens": 3, "completion_tokens": 1 if limit == 1 else 5, "total_tokens": 8}
        if not body.get("stream"):
            return value(200, {"id": "c", "choices": [{**choice, "message": message}], "usage": usage})
        calls = [{"index": 0, **call} for call in message.get("tool_calls", ())]
        said = {"tool_calls": calls} if calls else {"content": message["content"]}
        frames = [{"id": "c", "choices": [{"index": 0, "delta": said, "finish_reason": None}]}]
        frames.append({"id": "c", "choices": [{**choice, "delta": {}}]})
        return sse(frames)

    def embeddings(self, body: Body) -> Answer:
        """Embeddings."""
        return value(200, {"data": [{"index": at, "embedding": [0.5, 1.0]} for at, _ in enumerate(body["input"])]})

    def responses(self, body: Body) -> Answer:
        """Responses."""
        content = [{"type": "output_text", "text": "one, two", "annotations": []}]
        item = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": content}
        return value(200, {"id": "r", "object": "response", "status": "completed", "output": [item], "model": "tiny"})

    def messages(self, body: Body) -> Answer:
        """Messages."""
        usage = {"input_tokens": 3, "output_tokens": 5}
        content = [{"type": "text", "text": "one, two"}]
        answer = {"id": "m", "type": "message", "role": "assistant", "content": content, "model": "tiny"}
        return value(200, {**answer, "stop_reason": "end_turn", "usage": usage})


def checked(answer: Callable[[str, Body], Answer | None], *options: str) -> tuple[dict[str, Finding], str, Ran]:
    """The findings by behaviour, the pasted provider, and how the command ended."""
    with server(answer) as url:
        ran = run("check", "--base-url", url, *options, OPENAI_API_KEY=KEY)
    found = [line.split("\t") for line in ran.out.partition("\n\n")[0].splitlines()]
    return {name: Finding(name, msgspec.convert(verdict, Any), seen) for verdict, name, seen in found}, ran.out, ran


def provider(out: str) -> Provider:
    """The provider that the printed file makes."""
    rows: dict[str, Any] = {}
    exec(out[out.index(PREFIX[0]) :], rows)
    made: Provider = rows["PROVIDER"]
    return made


def client_of(answer: Callable[[str, Body], Answer | None], out: str, url: str) -> SyncLLMClient:
    """A client of the pasted provider."""
    made = msgspec.structs.replace(provider(out), base_url=url)
    return SyncLLMClient.create(made, "tiny", api_key=KEY)


def test_a_server_that_does_everything_needs_no_rows() -> None:
    """Each behaviour is `ok`; the file is the provider with another address; no key is shown."""
    asked = Server()
    found, out, ran = checked(asked)
    assert ran.code == 0, ran.out + ran.err
    odd = {name: finding for name, finding in found.items() if finding.verdict not in ("ok", "untried")}
    assert set(odd) <= {"usage", "deltas", "arrival"}, odd
    assert "body=" not in out
    assert KEY not in out
    assert provider(out).body == {**provider(out).body}


def test_every_request_is_short_and_the_same_each_time() -> None:
    """Each chat has its limit of tokens under both names, and temperature 0; tools are required."""
    asked = Server()
    checked(asked)
    chats = [body for body in asked.asked if body["path"] == "/chat/completions"]
    assert len(chats) > 12
    for body in chats:
        names = {"max_tokens", "max_completion_tokens"} & set(body)
        assert names, body
        assert len(names) == 2 or 1 in (body.get("max_tokens"), body.get("max_completion_tokens"))
        assert body["temperature"] == 0
    assert [body["tool_choice"] for body in chats if "tools" in body] == ["required"]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 501, 502, 503, 529])
def test_an_answer_that_would_be_the_same_for_all_ends_it(status: int) -> None:
    """The error is told in a line; there are no findings and no rows."""
    with server(lambda path, body: error(status, "it is so")) as url:
        ran = run("check", "--base-url", url)
    assert (ran.code, ran.out) == (1, ""), ran.out
    assert "it is so" in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503, None])
@pytest.mark.parametrize("after", [4, 9, 14])
def test_a_server_that_fails_in_the_middle_gets_no_rows(status: int | None, after: int) -> None:
    """A limit that is reached, or a server that ends, says nothing of the feature that was being tried."""
    good = Server()

    def failing(path: str, body: Body) -> Answer | None:
        if len(good.asked) < after:
            return good(path, body)
        return None if status is None else error(status, "no more")

    _, out, ran = checked(failing)
    assert ran.code == 1
    assert "PROVIDER" not in out
    assert ran.err


def test_a_feature_that_fails_by_itself_is_a_row() -> None:
    """A 500 to pictures, while the plain question is still answered, is what the server does with pictures."""
    found, out, _ = checked(Server(refuses=("images",), lacks=("/embeddings", "/responses", "/messages")))
    wanted = ("images", "embeddings", "openai_responses", "anthropic_messages")
    assert {found[name].verdict for name in wanted} == {"row"}
    made = provider(out)
    assert made.also == ()
    with server(Server(refuses=("images",))) as url, client_of(Server(), out, url) as client:
        with pytest.raises(UnsupportedParameterError, match="no images"):
            client.chat([Message.user([TextBlock("x"), ImageBlock(PIXEL)])])
        with pytest.raises(ConfigurationError, match="embeds no texts"):
            client.embed(["x"])


KINDS: dict[str, Server] = {
    # llama.cpp: passes JSON mode over without a grammar, shows no pictures, embeds nothing
    "llama.cpp": Server(refuses=("images",), lacks=("/embeddings",)),
    # llama-cpp-python: knows the older limit, levels of reasoning are strange to it, speaks chat only
    "llama-cpp-python": Server(
        refuses=("reasoning_effort", "images"), ignores=("max_completion_tokens",), lacks=("/responses", "/messages")
    ),
    # transformers: refuses what it does not know, forms among it
    "transformers": Server(
        refuses=("response_format", "stop", "top_k", "logprobs", "tool_choice", "stream_options", "reasoning_effort"),
        lacks=("/embeddings", "/responses", "/messages"),
    ),
    "newer names only": Server(refuses=("max_tokens", "temperature")),
    "no tools and no forms": Server(refuses=("tools", "response_format")),
    "ignores everything": Server(ignores=("response_format", "stop", "logprobs", "tool_choice", "stream_options")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pasting_the_rows_makes_the_server_work(kind: str) -> None:
    """With the rows each thing works, or is refused before it is sent; nothing is answered with a 400."""
    asked = KINDS[kind]
    _, out, ran = checked(asked)
    assert ran.code == 0, ran.out + ran.err
    with server(asked) as url, client_of(asked, out, url) as client:
        asked.asked.clear()
        assert client.chat("x", max_tokens=50).content == "one, two, three"
        with client.stream_chat("x") as stream:
            assert "".join(chunk.delta for chunk in stream) == "one, two, three"
        _either(lambda: client.chat("x", tools=[get_time], tool_choice="required").tool_calls[0].name == "get_time")
        _either(lambda: client.chat("x", stop=["tw"]).content == "one, ")
        for more in ({"top_k": 1}, {"logprobs": True}, {"reasoning": "low"}, {"temperature": 0.5}, {"json_mode": True}):
            _either(lambda more=more: bool(client.chat("x", **more).content))  # type: ignore[misc]
        assert client.chat("x", schema=Animal).structured_output == Animal("dog", 4)
        with pytest.raises(ModelNotFoundError):
            client.chat("x", model="another")
        refused = [body for body in asked.asked if set(asked.refuses) & set(body)]
        assert not refused


class Animal(msgspec.Struct):
    """An animal."""

    animal: str
    legs: int


def get_time(city: str) -> str:
    """The local time of a city."""
    return city


def _either(works: Callable[[], bool]) -> None:
    """It works, or is refused before it is sent."""
    try:
        assert works()
    except UnsupportedParameterError:
        pass


def test_a_silent_feature_is_untried() -> None:
    """What does not answer in its time is `untried`, has no rows, and the check goes on."""
    good, gone = Server(), threading.Event()

    def silent(path: str, body: Body) -> Answer | None:
        if "response_format" in body or "tools" in body:
            gone.wait(20)
            return None
        return good(path, body)

    try:
        found, out, ran = checked(silent, "--timeout", "1")
    finally:
        gone.set()
    assert ran.code == 0, ran.out + ran.err
    assert {found[name].verdict for name in ("tools", "schemas", "JSON mode")} == {"untried"}
    assert "not whole after 1 s" in found["tools"].seen
    assert "structured=" not in out


def test_a_head_that_drips_is_late() -> None:
    """The limit is on the whole answer: a byte now and then does not reset it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        over = threading.Event()

        def drip() -> None:
            while not over.is_set():
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    try:
                        connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
                        while not over.wait(0.05):
                            connection.sendall(b"y")
                    except OSError:
                        pass

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        ran = run("check", "--base-url", f"http://127.0.0.1:{listening.getsockname()[1]}/v1", "--timeout", "0.5")
        over.set()
    assert (ran.code, ran.out) == (1, "")
    assert "0.5 s" in ran.err


def test_as_json() -> None:
    """With --json each finding is a line."""
    with server(Server()) as url:
        ran = run("check", "--base-url", url, "--json")
    found = [msgspec.json.decode(line, type=Finding) for line in ran.out.splitlines()]
    assert "limit of tokens" in {finding.behaviour for finding in found}


def test_nothing_there_and_no_address() -> None:
    """No server is exit code 1, no address 2, each in a line."""
    nothing = run("check", "--base-url", "http://127.0.0.1:9/v1")
    assert (nothing.code, nothing.err.count("\n")) == (1, 1)
    assert run("check", "--base-url", "localhost:80").code == 2


def test_what_no_row_can_say_exits_with_one() -> None:
    """A server whose streams cannot be told from cut ones fails the check."""
    good = Server()

    def cut(path: str, body: Body) -> Answer:
        if not body.get("stream") or "tools" in body:
            return good(path, body)
        return 200, SSE, b'data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "one"}}]}\n\n'

    found, _, ran = checked(cut)
    assert ran.code == 1
    assert found["end"].verdict == "differs"
