"""`after_output="continue"`: an answer that broke goes on at a target that can, and nobody reads a character twice."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from miiflow_llm import LLMClient, Router, SyncLLMClient, SyncRouter, Target
from miiflow_llm.core import Message
from miiflow_llm.core.exceptions import ServiceUnavailableError, StreamInterruptedError
from miiflow_llm.core.response import ChatResponse
from miiflow_llm.tables import Continuation

from .wall import Fault, Seen, Step, Wall, error, event, finish, head, token, wall

pytestmark = pytest.mark.anyio
TEXT = "Salt, washed out of the rocks \U0001f30a by rain, ends up in the sea — e\u0301t voil\xe0.\n\nThat is why."


def says(*pieces: str, ends: bool = True) -> Fault:
    """A model that says this, and is cut off then unless it ends."""
    return lambda seen: [head(), *(token(seen.model, one) for one in pieces), *([finish(seen.model)] * ends)]


def cut_after(number: int) -> Fault:
    """A model that is cut off after so many characters of the text."""
    return says(TEXT[: number // 2], TEXT[number // 2 : number], ends=False)


def given(seen: Seen) -> str:
    """The beginning that a model was given."""
    assert seen.messages[-1]["role"] == "assistant"
    content = seen.messages[-1]["content"]
    return str(content if isinstance(content, str) else "".join(part["text"] for part in content))


def goes_on(seen: Seen) -> list[Step]:
    """A model that gives the rest of the text."""
    return says(TEXT[len(given(seen)) :])(seen)


def in_bytes(seen: Seen, text: str, places: list[int]) -> list[Step]:
    """The text as chunks that end at these places, each sent a few bytes at a time: in the midst of codepoints too."""
    pieces = [text[one:other] for one, other in zip([0, *places], [*places, len(text)], strict=True)]
    sent = b"".join(token(seen.model, piece) for piece in pieces) + finish(seen.model)
    return [head(), *(sent[at : at + 5] for at in range(0, len(sent), 5))]


def client(seen: Wall, model: str, provider: str = "openai-compatible", **settings: Any) -> LLMClient:
    """A client of a model of the wall, asked as this provider's."""
    return LLMClient.create(provider, model, "key", base_url=f"http://127.0.0.1:{seen.port}/v1", **settings)


def vllm(seen: Wall, model: str, **rows: Any) -> Target:
    """A target that is known to go on."""
    return Target(client(seen, model), continues="prefill", **rows)


async def read(router: Router, **parameters: Any) -> tuple[str, ChatResponse]:
    """What the reader of a stream sees, and the response."""
    text = ""
    async with router.stream_chat("Why is the sea salty?", after_output="continue", **parameters) as stream:
        async for chunk in stream:
            assert not chunk.restarted
            text += chunk.delta
            assert chunk.content == text
    return text, stream.response


@pytest.mark.parametrize("number", [1, 30, 31, 62, len(TEXT) - 13, len(TEXT)])
async def test_it_goes_on_where_it_broke(number: int) -> None:
    """Text, response and the last chunk are whole; the second attempt says why it was made."""
    async with wall({"a": cut_after(number), "b": goes_on}) as seen:
        router = Router([client(seen, "a"), vllm(seen, "b")])
        text, response = await read(router, max_tokens=500)
        asked = seen.of("b")[0].body
    assert text == response.content == TEXT
    assert [(one.target, one.why, one.outcome) for one in response.attempts] == [
        ("openai-compatible/a", "first", "failed"),
        ("openai-compatible/b", "continue", "served"),
    ]
    assert response.served_by == "openai-compatible/b"
    assert (asked["continue_final_message"], asked["add_generation_prompt"]) == (True, False)
    assert 350 <= asked["max_tokens"] < 500


async def test_mistral_repeats_the_beginning() -> None:
    """In seven chunks and in the midst of codepoints: the consumer sees each character once."""
    places = [1, 9, 31, 32, 50, 71, len(TEXT) - 10]

    def repeats(seen: Seen) -> list[Step]:
        assert seen.messages[-1]["prefix"] is True
        return in_bytes(seen, given(seen) + TEXT[len(given(seen)) :], places)

    for number in (33, 72, 73, len(TEXT) - 12, len(TEXT) - 13):
        async with wall({"a": cut_after(number), "m": repeats}) as seen:
            text, response = await read(Router([client(seen, "a"), client(seen, "m", "mistral")]))
        assert text == response.content == TEXT


async def test_white_space_at_the_seam() -> None:
    """Anthropic takes none at the end of a beginning; it comes neither twice nor not at all."""
    shown, rest = TEXT[:30], TEXT[30:]
    assert shown.endswith(" ")

    def anthropic(reply: str) -> Fault:
        def answer(seen: Seen) -> list[Step]:
            assert given(seen) == shown.rstrip()
            block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
            delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": reply}}
            stop = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
            events: list[Any] = [block, delta, stop, {"type": "message_stop"}]
            return [head(), *(f"event: {one['type']}\n".encode() + event(one) for one in events)]

        return answer

    model = "claude-haiku-4-5"
    for reply in (rest, f" {rest}"):
        async with wall({"a": cut_after(30), model: anthropic(reply)}) as seen:
            target = LLMClient.create("anthropic", model, "key", base_url=f"http://127.0.0.1:{seen.port}")
            text, response = await read(Router([client(seen, "a"), target]))
        assert text == response.content == TEXT


async def test_it_is_not_sent_to_who_refuses_it() -> None:
    """Claude from 4.6 on would answer 400: the next target that can goes on, and says why the others were not asked."""
    async with wall({"a": cut_after(40), "c": goes_on}) as seen:
        claude = client(seen, "claude-sonnet-4-6", "anthropic")
        router = Router([client(seen, "a"), claude, client(seen, "b", "openai"), vllm(seen, "c")])
        text, response = await read(router)
        assert text == TEXT
        assert [one.model for one in seen.seen] == ["a", "c"]
    assert "400" in response.skipped["anthropic/claude-sonnet-4-6"]
    assert "documents no way" in response.skipped["openai/b"]


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"schema": {"type": "object", "properties": {}}},
        {"json_mode": True},
        {"logprobs": True},
        {"extra_body": {"n": 2}},
    ],
)
async def test_the_error_is_the_original_one(parameters: dict[str, Any]) -> None:
    """If no target can go on, or the answer is more than its text, with what was shown."""
    able = [vllm] if parameters else []
    async with wall({"a": cut_after(40), "b": goes_on, "c": error(400, "no")}) as seen:
        targets = [client(seen, "a", "openai"), *(one(seen, "b") for one in able), client(seen, "c", "openai")]
        with pytest.raises(StreamInterruptedError) as caught:
            await read(Router(targets), **parameters)
        assert [one.model for one in seen.seen] == ["a"]
    assert caught.value.partial is not None
    assert caught.value.partial.content == TEXT[:40]
    assert caught.value.attempts[0].reason == "StreamInterruptedError"


async def test_not_with_an_open_call() -> None:
    """The arguments of a call cannot be begun for another model."""

    def calls(seen: Seen) -> list[Step]:
        call = {"index": 0, "id": "c", "type": "function", "function": {"name": "tide", "arguments": '{"po'}}
        choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}
        return [head(), token(seen.model, "Let me see."), event({"id": "c1", "model": seen.model, "choices": [choice]})]

    tool = {"name": "tide", "parameters": {"type": "object", "properties": {}}}
    async with wall({"a": calls, "b": goes_on}) as seen:
        with pytest.raises(StreamInterruptedError):
            await read(Router([client(seen, "a"), vllm(seen, "b")]), tools=[tool])
        assert [one.model for one in seen.seen] == ["a"]


async def test_one_that_goes_on_may_break_too() -> None:
    """The third goes on with what both said; a target that fails before it says anything is passed over."""

    def a_little_more(seen: Seen) -> list[Step]:
        return says(TEXT[len(given(seen)) : 50], ends=False)(seen)

    faults = {"a": cut_after(20), "b": a_little_more, "c": error(503), "d": goes_on}
    async with wall(faults) as seen:
        router = Router([client(seen, "a"), *(vllm(seen, one) for one in "bcd")])
        text, response = await read(router)
        assert given(seen.of("d")[0]) == TEXT[:50]
    assert text == response.content == TEXT
    assert [one.why for one in response.attempts] == ["first", "continue", "continue", "continue"]
    async with wall({**faults, "d": error(503)}) as seen:
        router = Router([client(seen, "a"), *(vllm(seen, one) for one in "bcd")])
        with pytest.raises((StreamInterruptedError, ServiceUnavailableError)) as caught:
            await read(router)
        assert caught.value.partial is not None
        assert caught.value.partial.content == TEXT[:50]


async def test_reasoning_was_all_that_was_shown() -> None:
    """There is no text to go on with: another target is asked as if nothing had been shown."""

    def thinks(seen: Seen) -> list[Step]:
        choice = {"index": 0, "delta": {"reasoning_content": "Hm. "}, "finish_reason": None}
        return [head(), event({"id": "c1", "model": seen.model, "choices": [choice]})]

    async with wall({"a": thinks, "b": says(TEXT)}) as seen:
        text, response = await read(Router([client(seen, "a"), client(seen, "b")]))
        assert [one["role"] for one in seen.of("b")[0].messages] == ["user"]
    assert text == response.content == TEXT
    assert response.message.reasoning == "Hm. "


async def test_the_caller_began_the_answer() -> None:
    """What the caller wrote, and what was said, are one beginning."""
    async with wall({"a": cut_after(20), "b": says("!")}) as seen:
        router = Router([client(seen, "a"), vllm(seen, "b")])
        messages = [Message.user("Why?"), Message.assistant("Well: ")]
        async with router.stream_chat(messages, after_output="continue") as stream:
            text = "".join([chunk.delta async for chunk in stream])
        assert given(seen.of("b")[0]) == "Well: " + TEXT[:20]
    assert text == stream.response.content == TEXT[:20] + "!"


def test_deepseek_is_asked_at_its_beta_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the caller began the answer; a server of one's own is asked where it is, and not relied on."""
    monkeypatch.delenv("DEEPSEEK_BASE_URL", raising=False)
    messages = [Message.user("Why?"), Message.assistant("Well")]
    with SyncLLMClient.create("deepseek", "deepseek-flash", "key") as usual:
        plan = usual.plan(messages)
        assert plan.url == "https://api.deepseek.com/beta/chat/completions"
        assert plan.body is not None
        assert plan.body["messages"][-1] == {"role": "assistant", "content": "Well", "prefix": True}
        assert usual.plan("Why?").url == "https://api.deepseek.com/chat/completions"
        assert usual.continuation().refused is None
    with SyncLLMClient.create("deepseek", "deepseek-flash", "key", base_url="https://proxy.test") as own:
        assert own.plan(messages).url == "https://proxy.test/chat/completions"
        assert own.continuation().refused is not None


@pytest.mark.parametrize(
    ("provider", "model", "can"),
    [
        ("anthropic", "claude-haiku-4-5-20251001", True),
        ("anthropic", "claude-3-haiku-20240307", True),
        ("anthropic", "claude-opus-4-6", False),
        ("anthropic", "claude-fable-5-2", False),
        ("anthropic", "claude-of-next-year", False),
        ("anthropic", "kimi", False),
        ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", True),
        ("bedrock", "us.anthropic.claude-sonnet-5-5", False),
        ("bedrock", "amazon.nova-2-lite", False),
        ("mistral", "mistral-small-latest", True),
        ("openai", "gpt-6-sol", False),
        ("gemini", "gemini-3", False),
        ("openrouter", "anthropic/claude-haiku-4-5", False),
    ],
)
def test_who_goes_on(provider: str, model: str, can: bool) -> None:
    """The rows, by provider and model."""
    settings: dict[str, Any] = {"region": "us-east-1"} if provider == "bedrock" else {}
    with SyncLLMClient.create(provider, model, "key", **settings) as found:
        row = found.continuation()
    assert isinstance(row, Continuation)
    assert (row.refused is None) is can


def test_in_threads() -> None:
    """The synchronous twin goes on alike."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = msgspec.json.decode(self.rfile.read(int(self.headers["content-length"])))
            seen = Seen(0.0, body["model"], 1, body["messages"], body)
            for step in (cut_after(40) if seen.model == "a" else goes_on)(seen):
                assert isinstance(step, bytes)
                self.wfile.write(step)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    def target(model: str) -> SyncLLMClient:
        url = f"http://127.0.0.1:{server.server_port}/v1"
        return SyncLLMClient.create("openai-compatible", model, "key", base_url=url)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with target("a") as one, target("b") as other:
            router = SyncRouter([one, Target(other, continues="prefill")], after_output="continue")
            with router.stream_chat("Why?") as stream:
                text = "".join(chunk.delta for chunk in stream)
        server.shutdown()
    assert text == stream.response.content == TEXT
    assert [one.why for one in stream.response.attempts] == ["first", "continue"]
