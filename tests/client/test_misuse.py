"""What a new user writes by mistake is an error that says what to write."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest

from miiflow_llm import ClientPool, LLMClient, RetryBudget, SyncClientPool, SyncLLMClient
from miiflow_llm.core.exceptions import ConfigurationError, UnsupportedParameterError


def looped() -> LLMClient:
    """A client for event loops."""
    return LLMClient.create("openai", "m", "k")


def plain() -> SyncLLMClient:
    """A client for plain code."""
    return SyncLLMClient.create("openai", "m", "k")


def tool() -> None:
    """Nothing."""


STREAMS: dict[str, Callable[[Any], Any]] = {
    "stream_chat": lambda client: client.stream_chat("x"),
    "stream_with_schema": lambda client: client.stream_with_schema("x", dict),
    "stream_tools": lambda client: client.stream_tools("x", [tool]),
    "stream_events": lambda client: client.stream_events("GET", "/x"),
}


@pytest.mark.parametrize("kind", [LLMClient, SyncLLMClient])
@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), (("openai",), {}), (("openai", "m"), {}), (("openai", "m", "k"), {}), ((), {"provider": "openai"})],
)
def test_a_client_is_made_with_create(kind: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Calling the class says so."""
    with pytest.raises(ConfigurationError, match=rf"{kind.__name__}\.create\('openai', model="):
        kind(*args, **kwargs)


@pytest.mark.parametrize("made", STREAMS)
def test_streams_of_loops_in_plain_code(made: str) -> None:
    """`for` and `with` say that it is `async for` and `async with`, and name the other client."""
    for use in (iter, list, lambda stream: [*stream]):
        with pytest.raises(TypeError, match=r"write `async for`, or take SyncLLMClient"):
            use(STREAMS[made](looped()))
    with pytest.raises(TypeError, match=r"write `async with`, or take SyncLLMClient"), STREAMS[made](looped()):
        pass


@pytest.mark.anyio
@pytest.mark.parametrize("made", STREAMS)
async def test_streams_are_not_awaited(made: str) -> None:
    """`await` says that there is nothing to await."""
    with pytest.raises(TypeError, match="is not awaited: write `async for"):
        await STREAMS[made](looped())


@pytest.mark.anyio
@pytest.mark.parametrize("made", STREAMS)
async def test_streams_of_plain_code_in_loops(made: str) -> None:
    """`async with` says that it is `with`; `async for` is Python's own error."""
    with pytest.raises(TypeError, match=r"write `with`, or take LLMClient"):
        async with STREAMS[made](plain()):
            pass
    with pytest.raises(TypeError, match="__aiter__"):
        async for _ in STREAMS[made](plain()):
            pass


@pytest.mark.anyio
async def test_clients_and_pools() -> None:
    """`with` and `async with` of the wrong kind name the right one."""
    for one, word in ((looped(), "SyncLLMClient"), (ClientPool({}), "SyncClientPool")):
        with pytest.raises(TypeError, match=f"write `async with`, or take {word}"), one:  # type: ignore[attr-defined]
            pass
    for other, word in ((plain(), "LLMClient"), (SyncClientPool({}), "ClientPool")):
        with pytest.raises(TypeError, match=f"write `with`, or take {word}"):
            async with other:  # type: ignore[attr-defined]
                pass


def test_frameworks_see_what_streams_are() -> None:
    """A stream of plain code is no asynchronous iterable, so that a framework iterates it in a thread."""
    from collections.abc import AsyncIterable, AsyncIterator, Iterator

    for made in STREAMS.values():
        assert isinstance(made(looped()), AsyncIterator)
        assert isinstance(made(plain()), Iterator)
        assert not isinstance(made(plain()), AsyncIterable)


@pytest.mark.parametrize(
    "messages",
    [5, 1.5, object(), b"text", None, [], "", [5], [None], [["a"]], ("user", "text"), [("user", "text")], {}, {"a": 1}],
)
def test_messages(messages: Any) -> None:
    """What is no message is refused at once, by every method that takes messages."""
    client, other = looped(), plain()
    for ask in (
        lambda: client.plan(messages),
        lambda: client.stream_chat(messages),
        lambda: client.stream_tools(messages, [tool]),
        lambda: other.chat(messages),
        lambda: other.run_tools(messages, [tool]),
        lambda: other.count_tokens(messages),
        lambda: anyio.run(client.chat, messages),
    ):
        with pytest.raises(ConfigurationError, match="message"):
            ask()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("system", r"Message\.system"),
        ("thinking", "reasoning here"),
        ("stop_sequences", "it is stop here"),
        ("fallbacks", "Router"),
        ("max_output_tokens", "it is max_tokens here"),
        ("response_format", "schema"),
        ("response_model", "it is schema here"),
        ("prompt", "first argument"),
        ("history", "among the messages"),
        ("base_url", r"given to create\(\)"),
        ("retries", "max_retries"),
        ("callbacks", "event_hooks"),
        ("cache", "Cache"),
        ("n", "several calls"),
        ("temprature", "did you mean temperature"),
        ("logit_bias", "extra_body"),
        ("stream", r"stream_chat\(\)"),
    ],
)
def test_parameters(name: str, words: str) -> None:
    """A word of another library or provider is answered with the word of ours."""
    given: dict[str, Any] = {name: "x"}
    client = looped()
    with pytest.raises(ConfigurationError, match=words):
        plain().chat("x", **given)
    with pytest.raises(ConfigurationError, match=words):
        client.stream_chat("x", **given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"temperature": 1}, r"defaults=\{'temperature'"),
        ({"api_base": "x"}, "it is base_url here"),
        ({"organization": "x"}, "OpenAI-Organization"),
        ({"modle": "x"}, "did you mean model"),
        ({"proxy": "x"}, "http_client="),
        ({"frobnicate": 1}, "there are provider, model"),
        ({"provider": 5}, "provider=5"),
        ({"provider": None}, "provider=None"),
        ({"provider": "openai:gpt-5"}, r"create\('openai', 'gpt-5'\)"),
        ({"provider": "openai/gpt-5"}, r"create\('openai', 'gpt-5'\)"),
        ({"provider": "opnai"}, "Did you mean 'openai'"),
        ({"api_key": 5}, "api_key is a int"),
        ({"base_url": 5}, "base_url=5"),
        ({"headers": "x"}, "headers is a str"),
        ({"defaults": "x"}, "defaults is a str"),
        ({"defaults": {"temprature": 1}}, "did you mean 'temperature'"),
        ({"max_frame_bytes": 0}, "max_frame_bytes=0"),
        ({"max_retries": "2"}, "max_retries='2'"),
        ({"retry_budget": 5}, "RetryBudget"),
        ({"unsupported": "ignore"}, "'raise' or 'drop'"),
        ({"transport": "leen"}, "'auto', 'lean' or 'httpx'"),
        ({"event_hooks": print}, "mapping"),
        ({"timeout": "5"}, "seconds above 0"),
        ({"http_client": "x"}, r"takes an httpx\.(Async)?Client"),
    ],
)
def test_what_a_client_is_made_with(given: dict[str, Any], words: str) -> None:
    """Each value of the wrong kind, and each word of another library, is a ConfigurationError with what to write."""
    for kind in (LLMClient, SyncLLMClient):
        with pytest.raises(ConfigurationError, match=words):
            kind.create(**{"provider": "openai", "model": "m", "api_key": "k", **given})


def test_the_other_kinds_http_client() -> None:
    """Each client names the httpx client that it takes."""
    with pytest.raises(ConfigurationError, match=r"is a Client: LLMClient takes an httpx\.AsyncClient"):
        LLMClient.create("openai", "m", "k", http_client=httpx.Client())  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"is a AsyncClient: SyncLLMClient takes an httpx\.Client"):
        SyncLLMClient.create("openai", "m", "k", http_client=httpx.AsyncClient())  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="takes an httpx"):
        SyncClientPool({}, http_client=httpx.AsyncClient())  # type: ignore[arg-type]


@pytest.mark.parametrize("texts", [5, [5], ["a", None], object(), b"x", [], [""]])
def test_embed(texts: Any) -> None:
    """What is no text is refused before anything is sent."""
    with pytest.raises(ConfigurationError, match="embed: give"):
        plain().embed(texts)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: plain().embed(["a", ""]), r"texts\[1\]: it is empty"),
        (lambda: plain().embed(["a", "b", 5]), r"texts\[2\]: it is a int"),
        (lambda: plain().run_tools("x", [tool, 5]), r"tools\[1\]: 5 is not a tool"),
        (lambda: plain().stream_tools("x", [tool, {"name": "f"}]), r"tools\[1\]: f has no function"),
        (lambda: plain().run_tools("x", tool), r"a list of functions"),
        (lambda: plain().run_tools("x", 5), r"tools=5: a list"),
        (lambda: looped().plan("x", tools=[tool, 5]), r"tools\[1\]"),
        (lambda: LLMClient.create("openai", "m", "k", event_hooks={"request": [print, 5]}), r"\['request'\]\[1\]: 5"),
        (lambda: LLMClient.create("openai", "m", "k", event_hooks={"request": 5}), "list of functions"),
    ],
)  # fmt: skip
def test_errors_of_a_list_say_which(ask: Callable[[], Any], words: str) -> None:
    """The element that is wrong is named by its place."""
    with pytest.raises(ConfigurationError, match=words):
        ask()


def test_a_model_is_a_name() -> None:
    """A model of another kind is named."""
    with pytest.raises(ConfigurationError, match="model=5"):
        plain().chat("x", model=5)  # type: ignore[arg-type]


def test_defaults_that_a_model_does_not_take(caplog: pytest.LogCaptureFixture) -> None:
    """A default is left out with a note, and a warning once; a parameter of the call still raises."""
    client = LLMClient.create("openai", "gpt-5", "k", defaults={"temperature": 0.3, "max_tokens": 5})
    for _ in range(3):
        plan = client.plan("x")
        assert plan.body is not None
        assert plan.body["max_completion_tokens"] == 5
        assert "temperature" not in plan.body
        assert any(note.startswith("left out: the default temperature") for note in plan.notes)
    assert caplog.text.count("the default temperature") == 1
    with pytest.raises(UnsupportedParameterError, match="temperature"):
        client.plan("x", temperature=0.3)
    assert client.plan("x", model="gpt-4o").body["temperature"] == 0.3  # type: ignore[index]


def test_warnings_are_seen() -> None:
    """Nothing hides them in a process that configured no logging."""
    assert not [one for one in logging.getLogger("miiflow_llm").handlers if isinstance(one, logging.NullHandler)]


def test_budgets_are_given_to_clients_of_a_pool() -> None:
    """What `create` takes, a configuration takes."""
    config = {"retry_budget": {"most": 3}, "providers": {"ollama": {"models": ["m"], "retry_budget": False}}}
    pool = SyncClientPool(config)
    assert pool.get()._setup.budget.budget is None
    config["providers"] = {"ollama": {"models": ["m"]}}
    assert SyncClientPool(config).get()._setup.budget.budget == RetryBudget(most=3)
