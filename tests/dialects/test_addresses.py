"""Where providers are found: addresses, keys and headers from the environment, read as the vendors' clients do."""

from __future__ import annotations

import msgspec
import pytest

from miiflow_llm.calls.target import Target
from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.dialects.openai_chat import OPENAI_CHAT
from miiflow_llm.providers.ollama import host
from miiflow_llm.tables import BaseUrlFrom, Provider


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:11434"),
        (":8080", "http://127.0.0.1:8080"),
        ("box:8080", "http://box:8080"),
        ("0.0.0.0:11500", "http://127.0.0.1:11500"),
        ("http://[::]:1", "http://127.0.0.1:1"),
        ("[::1]", "http://[::1]:11434"),
        ("::1", "http://[::1]:11434"),
        ("http://box", "http://box:80"),
        ("https://box", "https://box:443"),
        ("https://box:8443/ollama", "https://box:8443/ollama"),
        ("ollama.com", "https://ollama.com:443"),
        ('"box"', "http://box:11434"),
    ],
)
def test_ollama_host(text: str, url: str) -> None:
    """`OLLAMA_HOST` may lack scheme and port, and may be what the server listens on."""
    assert host(text) == url


@pytest.mark.parametrize(
    ("provider", "dialect", "variable", "value", "url"),
    [
        ("groq", None, "GROQ_BASE_URL", "https://a.example", "https://a.example/openai/v1"),
        ("groq", None, "GROQ_BASE_URL", "https://a.example/openai/v1/", "https://a.example/openai/v1"),
        ("togetherai", None, "TOGETHER_BASE_URL", "https://a.example", "https://a.example/v1"),
        ("deepseek", None, "DEEPSEEK_API_BASE", "https://a.example/beta", "https://a.example/beta"),
        ("openrouter", None, "OPENROUTER_BASE_URL", "https://a.example/api/v1", "https://a.example/api/v1"),
        (
            "openai-compatible",
            None,
            "OPENAI_COMPATIBLE_BASE_URL",
            "http://127.0.0.1:8000/v1",
            "http://127.0.0.1:8000/v1",
        ),
        ("cohere", None, "CO_API_URL", "https://a.example", "https://a.example"),
        ("bedrock", None, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "https://a.example/", "https://a.example"),
        ("bedrock", None, "AWS_ENDPOINT_URL", "https://a.example", "https://a.example"),
        ("bedrock", None, "AWS_REGION", "eu-west-1", "https://bedrock-runtime.eu-west-1.amazonaws.com"),
        ("bedrock", None, "AWS_DEFAULT_REGION", "cn-north-1", "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        ("ollama", None, "OLLAMA_HOST", ":8080", "http://127.0.0.1:8080"),
        ("ollama", "openai_chat", "OLLAMA_HOST", ":8080", "http://127.0.0.1:8080/v1"),
        ("ollama", "openai_chat", "NOTHING", "", "http://localhost:11434/v1"),
    ],
)
def test_base_url_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, provider: str, dialect: str | None, variable: str, value: str, url: str
) -> None:
    """An address from the environment gets the suffix that the vendor's own client adds."""
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    monkeypatch.setenv(variable, value)
    assert (
        Target.of(provider, api_key="k" if provider != "ollama" else None, dialect=dialect).route("m").base_url == url
    )


@pytest.mark.parametrize(
    ("provider", "variable"),
    [
        ("xai", "XAI_API_KEY"),
        ("xai", "GROK_API_KEY"),
        ("togetherai", "TOGETHERAI_API_KEY"),
        ("togetherai", "TOGETHER_AI_API_KEY"),
        ("openrouter", "OR_API_KEY"),
        ("cohere", "COHERE_API_KEY"),
        ("mistral", "MISTRAL_API_KEY"),
    ],
)
def test_key_from_the_environment(monkeypatch: pytest.MonkeyPatch, provider: str, variable: str) -> None:
    """A key is found under each of the names that tools use."""
    for name in ("XAI_API_KEY", "TOGETHER_API_KEY", "OPENROUTER_API_KEY", "CO_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "k")
    assert Target.of(provider).credential is not None


def test_a_compatible_server_needs_an_address_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an address there is nothing to ask; a key is sent only when given."""
    monkeypatch.delenv("OPENAI_COMPATIBLE_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_COMPATIBLE_BASE_URL", raising=False)
    with pytest.raises(ConfigurationError, match="base_url"):
        Target.of("openai-compatible")
    assert Target.of("openai-compatible", base_url="http://127.0.0.1:8000/v1").credential is None


def test_the_variables_of_an_address_are_named_where_there_are_any() -> None:
    """Of a provider that has none, nothing is said to be set."""
    own = Provider(name="harbour", dialect=OPENAI_CHAT, base_url=None, env=(), docs="https://harbour.example/docs")
    with pytest.raises(ConfigurationError, match=r"for example http://localhost:8000/v1$"):
        Target.of(own, api_key="k")
    with pytest.raises(ConfigurationError, match=r"for example http://localhost:8000/v1; or set HARBOUR_URL$"):
        Target.of(msgspec.structs.replace(own, base_url_env=(BaseUrlFrom("HARBOUR_URL"),)), api_key="k")


def test_headers_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Optional headers come from the environment, and the caller's own word wins."""
    monkeypatch.setenv("OR_SITE_URL", "https://a.example")
    monkeypatch.setenv("OR_APP_NAME", "Tides")
    target = Target.of("openrouter", api_key="k", headers={"X-OpenRouter-Title": "Mine"})
    assert target.headers == {"http-referer": "https://a.example", "x-openrouter-title": "Mine"}
