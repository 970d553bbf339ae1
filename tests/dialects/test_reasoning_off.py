"""Asking a model not to reason that never does: granted, with nothing on the wire; asking it to is refused."""

from __future__ import annotations

from typing import Any

import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import UnsupportedParameterError

UNREASONING = [
    ("openai", "gpt-4.1"),
    ("anthropic", "claude-3-5-haiku-latest"),
    ("gemini", "gemini-2.0-flash"),
    ("mistral", "ministral-8b-latest"),
    ("mistral", "mistral-large-latest"),
    ("mistral", "codestral-latest"),
    ("groq", "llama-3.3-70b-versatile"),
    ("groq", "groq/compound"),
    ("xai", "grok-4.20-non-reasoning"),
    ("xai", "grok-3"),
    ("cohere", "command-a-03-2025"),
]
ALWAYS = [
    ("openai", "o3"),
    ("anthropic", "claude-opus-5-5"),
    ("gemini", "gemini-4-argon"),
    ("mistral", "mistral-large-4"),
    ("groq", "openai/gpt-oss-120b"),
    ("xai", "grok-4.6"),
    ("xai", "grok-4.20-reasoning"),
    ("togetherai", "zai-org/GLM-5.3"),
    ("ollama", "gpt-oss:20b"),
]


@pytest.mark.parametrize(("provider", "model"), UNREASONING)
@pytest.mark.parametrize("off", ["off", 0])
def test_granted(provider: str, model: str, off: Any) -> None:
    """The request is as one that says nothing of reasoning."""
    client = LLMClient.create(provider, model, "k")
    assert client.plan("x", reasoning=off).body == client.plan("x").body
    with pytest.raises(UnsupportedParameterError, match=r"reason|think"):
        client.plan("x", reasoning="low")


@pytest.mark.parametrize(("provider", "model"), ALWAYS)
def test_not_granted(provider: str, model: str) -> None:
    """A model that always reasons says so, or that it has no levels."""
    with pytest.raises(UnsupportedParameterError, match=r"always reasons|no levels|cannot"):
        LLMClient.create(provider, model, "k").plan("x", reasoning="off")
