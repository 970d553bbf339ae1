"""Configuration: the mapping of earlier releases, files and the variable; what is wrong is named with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from miiflow_llm import ClientPool, LLMClient, SyncLLMClient, load_env
from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.replay.server import ReplayServer

from .captured import own

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
        ({"providers": {"openai": {"models": "gpt"}}}, "$.providers"),
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
    with pytest.raises(ConfigurationError, match="no TOML"):
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
