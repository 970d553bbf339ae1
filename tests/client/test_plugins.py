"""Providers that installed packages bring by entry points."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from miiflow_llm import LLMClient, providers
from miiflow_llm.core.exceptions import ConfigurationError

MODULE = """
from miiflow_llm.dialects.openai_chat import OPENAI_CHAT
from miiflow_llm.tables import Provider

AT = {"docs": "https://d"}
PROVIDER = Provider(name="harbour", dialect=OPENAI_CHAT, base_url="https://harbour.example", **AT, env=("HARBOUR_KEY",))

def made():
    return Provider(name="pier", dialect=OPENAI_CHAT, base_url="https://pier.example/v1", **AT, key="optional")
"""
ENTRIES = """[miiflow_llm.providers]
harbour = harbour_of_a_test:PROVIDER
pier = harbour_of_a_test:made
wreck = harbour_of_a_test:nothing
named = harbour_of_a_test:PROVIDER
openai = harbour_of_a_test:PROVIDER
"""


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with entry points, good and bad."""
    folder = tmp_path / "harbour_of_a_test-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: harbour-of-a-test\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(ENTRIES)
    (tmp_path / "harbour_of_a_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(providers, "_registered", {})
    providers._plugins.cache_clear()
    yield
    providers._plugins.cache_clear()


def test_a_package_brings_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is listed, found by its name, and used like any other; a function that makes one will do."""
    monkeypatch.setenv("HARBOUR_KEY", "k" * 12)
    assert {"harbour", "pier"} <= set(providers.names())
    assert providers.exists("pier")
    assert LLMClient.create("harbour", "m").plan("Hello").url == "https://harbour.example/chat/completions"
    assert LLMClient.create("pier", "m").plan("Hello").url.startswith("https://pier.example/")


def test_a_package_replaces_none_of_ours() -> None:
    """A built-in provider stays what it is."""
    assert providers.get("openai").base_url == "https://api.openai.com/v1"


@pytest.mark.parametrize(
    ("name", "words"),
    [("wreck", "brought by harbour-of-a-test, cannot be loaded: AttributeError"), ("named", "not a Provider of that")],
)
def test_a_broken_package_is_named(name: str, words: str) -> None:
    """The error names the package; the others are not hurt."""
    with pytest.raises(ConfigurationError, match=words):
        providers.get(name)
    assert providers.get("harbour").name == "harbour"
