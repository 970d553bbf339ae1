"""Configuration: the mapping of earlier releases, files and the variable; what is wrong is named with its place."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from miiflow_llm import ClientPool, LLMClient, SyncLLMClient, load_env
from miiflow_llm.client.pool import SyncClientPool
from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.replay.server import ReplayServer

from ..captured import own

CONFIG: dict[str, Any] = {
    "default_provider": "openai",
    "default_model": "gpt-4.1",
    "timeout": 30,
    "max_retries": 1,
    "enable_metrics": True,
    "providers": {
        "openai": {"models": ["gpt-4o", "gpt-4.1"], "default_temperature": 0.3, "headers": {"x-team": "tides"}},
        "anthropic": {"models": ["claude-haiku-4-5"], "api_key_env": "TIDES_KEY", "timeout": {"idle": 9}},
        "harbour": {"like": "openai-compatible", "base_url": "http://localhost:9/v1", "models": ["m"]},
    },
}

TOML = b"""
default_provider = "openai"
default_model = "gpt-4.1"

[providers.openai]
models = ["gpt-4o", "gpt-4.1"]
default_temperature = 0.3
headers = {x-team = "tides"}
"""


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys that the configuration names."""
    monkeypatch.setenv("OPENAI_API_KEY", "k1")
    monkeypatch.setenv("TIDES_KEY", "k2")


@pytest.mark.parametrize("kind", ["dict", "json", "toml", "variable", "variable path"])
def test_sources(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dict, a file and the variable give the same client."""
    file = tmp_path / f"llm.{'toml' if kind == 'toml' else 'json'}"
    file.write_bytes(TOML if kind == "toml" else msgspec.json.encode(CONFIG))
    source: Any = {"dict": CONFIG, "json": file, "toml": str(file)}.get(kind)
    if kind.startswith("variable"):
        monkeypatch.setenv("MIIFLOW_LLM_CONFIG", str(file) if "path" in kind else file.read_text())
    client = LLMClient.from_config(source)
    plan = client.plan("x")
    assert plan.body is not None
    assert (client.provider, plan.body["model"], plan.body["temperature"]) == ("openai", "gpt-4.1", 0.3)
    assert plan.headers["x-team"] == "tides"
    assert client.plan("x", temperature=0.9).body["temperature"] == 0.9  # type: ignore[index]


def test_choices() -> None:
    """A provider and model are those asked for, of those configured."""
    assert LLMClient.from_config(CONFIG, "anthropic").model == "claude-haiku-4-5"
    assert LLMClient.from_config(CONFIG, model="gpt-4o").model == "gpt-4o"
    assert SyncLLMClient.from_config(CONFIG, "harbour").plan("x").url == "http://localhost:9/v1/chat/completions"
    assert LLMClient.from_config(CONFIG, "anthropic")._setup.timeout.idle == 9


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"providrs": {}}, "did you mean 'providers'"),
        ({"providers": {"openai": {"modles": []}}}, "providers.openai.modles; did you mean 'models'"),
        ({"providers": {"openai": {"default_temprature": 1}}}, "providers.openai.default_temprature"),
        ({"providers": {"openai": {"api_key": "sk"}}}, "holds no secrets"),
        ({"providers": {"openai": {"access_token": "sk"}}}, "holds no secrets"),
        ({"providers": {"openai": {"headers": {"X-Api-Key": "sk"}}}}, "providers.openai.headers.X-Api-Key"),
        ({"providers": {"openai": {"default_extra_body": {"hooks": [{"secret": "s"}]}}}}, "hooks[0].secret"),
        ({"providers": {"openai": {"models": "gpt"}}}, "providers.openai.models: Expected"),
        ({"providers": {"openai": 3}}, "providers.openai: Expected"),
        ({"providers": []}, "providers is a mapping"),
        ({"providers": {"openai": {"defaults": {"temprature": 1}}}}, "did you mean 'temperature'"),
        ({"providers": {"opnai": {"models": ["m"]}}}, "providers.opnai: no provider 'opnai'; did you mean 'openai'"),
        ({"providers": {"mine": {"models": ["m"], "like": "grok"}}}, "providers.mine.like: no provider 'grok'"),
        ({"providers": {"mine": {"models": ["m"], "base_url": "http://h/v1"}}}, 'like = "openai-compatible"'),
        ({"enable_metrics": "no"}, "enable_metrics: Expected"),
        ({"default_provider": "openai", "default_model": "m", "timeout": {"conect": 1}}, "timeout"),
        ({"default_provider": "openai"}, "no model"),
        ({}, "names no provider"),
    ],
)
def test_wrong(wrong: dict[str, Any], words: str) -> None:
    """What is wrong is named with its place and the nearest legal key."""
    with pytest.raises(ConfigurationError) as caught:
        LLMClient.from_config(wrong)
    assert words in str(caught.value)


def test_what_is_no_secret() -> None:
    """A tool's parameter may be called as a secret is."""
    schema = {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]}
    tool = {"name": "read", "parameters": schema}
    client = LLMClient.from_config({"providers": {"openai": {"models": ["m"], "default_tools": [tool]}}})
    assert client.plan("x").body["tools"][0]["function"]["name"] == "read"  # type: ignore[index]


@pytest.mark.anyio
async def test_metrics_can_be_off() -> None:
    """With `enable_metrics` false nothing is counted, by a client or a pool."""
    capture = next(one for one in own() if one.key == "openai/text")
    async with ReplayServer([capture]) as server:
        url = server.url_for("openai", "text")
        config = {"enable_metrics": False, "providers": {"openai": {"base_url": url, "models": ["a"]}}}
        async with LLMClient.from_config(config) as client, ClientPool(config) as pool:
            for one in (client, pool.get()):
                async for _ in one.stream_chat("x"):
                    pass
            assert client.get_metrics().total_requests == pool.get_metrics().total_requests == 0


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        ({"provider": "cohere"}, "not configured"),
        ({"model": "gpt-9"}, "gpt-4o, gpt-4.1"),
    ],
)
def test_not_configured(ask: dict[str, str], words: str) -> None:
    """What is not configured is refused."""
    with pytest.raises(ConfigurationError, match=words):
        LLMClient.from_config(CONFIG, **ask)


def test_no_configuration(tmp_path: Path) -> None:
    """No configuration at all, or an unreadable one, says what to do."""
    with pytest.raises(ConfigurationError, match="MIIFLOW_LLM_CONFIG"):
        LLMClient.from_config()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        LLMClient.from_config(tmp_path / "none.json")
    (tmp_path / "bad.toml").write_text("a = ")
    with pytest.raises(ConfigurationError, match="is not TOML"):
        LLMClient.from_config(tmp_path / "bad.toml")


@pytest.mark.anyio
async def test_pool() -> None:
    """A pool makes each client once, over the same connections, and counts them in one view."""
    capture = next(one for one in own() if one.key == "openai/text")
    async with ReplayServer([capture]) as server:
        url = server.url_for("openai", "text")
        config = {"providers": {"openai": {"base_url": url, "models": ["a", "b"]}}}
        async with ClientPool(config) as pool:
            assert pool.get("openai", "a") is pool.get("openai", "a")
            assert pool.get("openai").model == "a"
            for model in ("a", "b"):
                async for _ in pool.get("openai", model).stream_chat("x"):
                    pass
            metrics = pool.get_metrics()
        assert server.connections == 1
    assert (metrics.finished, sorted(metrics.targets)) == (2, ["openai/a", "openai/b"])


def test_a_pool_makes_each_client_once() -> None:
    """However many threads ask at the same time."""
    pool, start = ClientPool(CONFIG), threading.Barrier(16)

    def ask() -> LLMClient:
        start.wait()
        return pool.get("openai", "gpt-4o")

    with ThreadPoolExecutor(16) as threads:
        found = [each.result() for each in [threads.submit(ask) for _ in range(16)]]
    assert len(set(map(id, found))) == 1


def test_a_pool_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that come from outside do not fill the memory: the oldest client is forgotten, the others stay."""
    monkeypatch.setattr("miiflow_llm.client.pool.MAX_CLIENTS", 3)
    pool = ClientPool()
    clients = [pool.get("openai", f"m{number}") for number in range(5)]
    assert len(pool._clients) == 3
    assert pool.get("openai", "m4") is clients[4]
    assert pool.get("openai", "m0") is not clients[0]


@pytest.mark.anyio
async def test_a_pool_under_concurrency() -> None:
    """Streams of all its clients at once share its connections, and closing it twice closes them once."""
    capture = next(one for one in own() if one.key == "openai/text")
    async with ReplayServer([capture], pace=0.001) as server:
        url = server.url_for("openai", "text")
        models = ["a", "b", "c"]
        texts: list[str] = []
        async with ClientPool({"providers": {"openai": {"base_url": url, "models": models}}}) as pool:

            async def ask(model: str) -> None:
                texts.append("".join([chunk.delta async for chunk in pool.get("openai", model).stream_chat("x")]))

            for _ in range(2):
                async with anyio.create_task_group() as group:
                    for place in range(30):
                        group.start_soon(ask, models[place % 3])
            assert server.connections == 30
            await pool.aclose()
        assert pool.get_metrics().finished == 60
    assert len(set(texts)) == 1
    assert len(texts) == 60


def test_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.env` file is read when asked, and overrides nothing unless asked."""
    file = tmp_path / ".env"
    file.write_text("# a comment\nexport A_KEY='x y' # more\nB_KEY=z # why\nEMPTY=\nOPENAI_API_KEY=other\nnonsense\n")
    monkeypatch.delenv("A_KEY", raising=False)
    monkeypatch.delenv("B_KEY", raising=False)
    assert load_env(tmp_path / "none") == []
    assert load_env(file) == ["A_KEY", "B_KEY"]
    import os

    assert (os.environ["A_KEY"], os.environ["B_KEY"], os.environ["OPENAI_API_KEY"]) == ("x y", "z", "k1")
    assert "OPENAI_API_KEY" in load_env(file, override=True)
    monkeypatch.delenv("A_KEY")
    monkeypatch.delenv("B_KEY")


def test_a_pool_says_which_providers_cannot_be_asked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When it is made, not at the first call; the others work."""
    monkeypatch.delenv("MISTRAL_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "k" * 12)
    with SyncClientPool({"providers": {"openai": {}, "mistral": {}}}) as pool:
        assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
            "the pool cannot ask mistral: mistral: no API key; pass api_key=... or set MISTRAL_API_KEY"
        ]
        assert pool.get("openai", "m").provider == "openai"
