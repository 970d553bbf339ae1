"""Ollama: models on the user's own machine (or its cloud), in its own format or in OpenAI's."""

import re

from ..core.messages import AudioBlock, DocumentBlock, ImageBlock, ReasoningBlock, ToolResult
from ..dialects.ollama_chat import CLOUD, JSON_ALONE, OLLAMA_CHAT
from ..dialects.openai_chat import OPENAI_CHAT
from ..tables import Also, BaseUrlFrom, Provider, apart, drop, joined, refused, take
from ..tables.media_parts import text_or
from ..tables.reasoning import effort

PORTS = {"http": "80", "https": "443"}


def host(text: str) -> str:
    """The URL that `OLLAMA_HOST` means: the scheme, the port or both may be missing, and it may be a server's bind
    address, which for a client is this machine.

    A bare host is asked at port 11434; with a scheme, at that scheme's own port.
    """
    scheme, _, rest = text.strip().strip("\"'").rpartition("://")
    address, slash, path = rest.partition("/")
    if not scheme and address in ("ollama.com", "ollama.com:443"):
        scheme = "https"
    default = PORTS.get(scheme, "11434")
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::(\d+))?", address)
    name, port = match.groups() if match else (f"[{address}]", None)
    if name in ("", "0.0.0.0", "[::]"):  # noqa: S104  what a server listens on is read, nothing is bound
        name = "127.0.0.1"
    return f"{scheme or 'http'}://{name}:{port or default}{slash}{path}"


PROVIDER = Provider(
    name="ollama",
    dialect=OLLAMA_CHAT,
    base_url="http://localhost:11434",
    docs="https://docs.ollama.com/api",
    env=("OLLAMA_API_KEY",),
    key="optional",
    base_url_env=(BaseUrlFrom("OLLAMA_HOST", through=host),),
    example_model="gpt-oss:20b",
    structured={CLOUD: "prompt"},
    also=(
        Also(
            dialect=OPENAI_CHAT,
            base_url="http://localhost:11434/v1",
            base_url_env=(BaseUrlFrom("OLLAMA_HOST", "/v1", through=host),),
            takes=("max_tokens", "seed", "penalties", "logprobs"),
            body={
                "reasoning_effort": take("reasoning", through=effort("low", "medium", "high", "max", off="none")),
            },
            media={ImageBlock: ("image/jpeg", "image/png", "image/webp")},
            parts={
                DocumentBlock: text_or(refused("Ollama takes no documents; send their text, or pages as images")),
                AudioBlock: refused("Ollama takes no audio here; send a transcript as text"),
                ReasoningBlock: joined("reasoning", take("text"), own=True),
                ToolResult: apart({"role": "tool", "tool_call_id": take("id"), "content": take("text")}),
            },
            drops=(
                drop(
                    "tool_choice",
                    unless={"tool_choice": ("auto",)},
                    reason="Ollama ignores it; give only the tool that is wanted, and say so",
                ),
                drop("parallel_tool_calls", reason="Ollama ignores it; leave it out"),
                JSON_ALONE,
            ),
        ),
    ),
)
