"""What the README of the releases before 1.0 shows runs as it stands there, and so does docs/moving/from-0.5.md."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from miiflow_llm import LLMClient
from miiflow_llm.replay.fake import fake_pair
from miiflow_llm.replay.server import ReplayServer, serving

from .test_guides import TEXT, provider, run

__all__ = ["provider"]

USAGE = """
from miiflow_llm import LLMClient
from miiflow_llm.core import Message

client = LLMClient.create("openai", model="gpt-5")
messages = [Message.user("Explain quantum computing")]
async for chunk in client.stream_chat(messages):
    print(chunk.delta, end="")
"""
IMAGES = """
from miiflow_llm.core import Message, TextBlock, ImageBlock

message = Message.user([
    TextBlock(text="What's in this image?"),
    ImageBlock(image_url="data:image/jpeg;base64,/9j/4AAQSkZJRg==", detail="high")
])
"""
STRUCTURED = """
from dataclasses import dataclass
from typing import List

@dataclass
class Analysis:
    sentiment: str
    confidence: float
    topics: List[str]

async for chunk in client.stream_with_schema(messages, schema=Analysis):
    if chunk.partial_parse:
        print(f"Partial: {chunk.partial_parse}")
    if chunk.structured_output:
        result: Analysis = chunk.structured_output
        break
"""
METRICS = """
metrics = client.get_metrics()
print(f"Total tokens: {metrics.total_tokens}")
print(f"Average latency: {metrics.avg_latency_ms}ms")
print(f"Success rate: {metrics.success_rate}%")
"""
ERRORS = """
from miiflow_llm.core.exceptions import ProviderError, RateLimitError

try:
    response = await client.chat(messages)
except RateLimitError:
    pass
except ProviderError as e:
    print(f"Provider {e.provider} error: {e.message}")
"""
SERVICE = """
from miiflow_llm import LLMClient
from miiflow_llm.core import Message

class LLMService:
    def __init__(self):
        self.clients = {}

    def get_client(self, provider: str, model: str) -> LLMClient:
        key = f"{provider}:{model}"
        if key not in self.clients:
            self.clients[key] = LLMClient.create(provider, model=model)
        return self.clients[key]

    async def chat_completion(self, provider: str, model: str, messages: list) -> dict:
        client = self.get_client(provider, model)
        llm_messages = [Message.user(msg['content']) for msg in messages if msg['role'] == 'user']
        response = await client.chat(llm_messages)
        return {
            'content': response.message.content,
            'provider': response.provider,
            'model': response.model,
            'usage': {
                'prompt_tokens': response.usage.prompt_tokens,
                'completion_tokens': response.usage.completion_tokens,
                'total_tokens': response.usage.total_tokens
            }
        }

    async def stream_completion(self, provider: str, model: str, messages: list):
        client = self.get_client(provider, model)
        llm_messages = [Message.user(msg['content']) for msg in messages if msg['role'] == 'user']
        async for chunk in client.stream_chat(llm_messages):
            yield {
                'delta': chunk.delta,
                'content': chunk.content,
                'finish_reason': chunk.finish_reason
            }

service = LLMService()
asked = [{'role': 'user', 'content': 'Hello!'}]
whole = await service.chat_completion('openai', 'gpt-4o', asked)
pieces = [piece async for piece in service.stream_completion('openai', 'gpt-4o', asked)]
for one in service.clients.values():
    await one.aclose()
"""


def ran(*samples: str) -> dict[str, Any]:
    """Run samples one after the other in one event loop, as a module; the names that they leave."""
    module = sys.modules["first_readme_sample"] = ModuleType("first_readme_sample")
    found = module.__dict__
    with asyncio.Runner() as runner:
        for sample in samples:
            code = compile(sample, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            running = eval(code, found)
            if running is not None:
                runner.run(running)
        if isinstance(client := found.get("client"), LLMClient):
            runner.run(client.aclose())
    return found


def test_its_samples(provider: ReplayServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Streaming, pictures, metrics, errors, and the service of a web application."""
    names = ran(USAGE, IMAGES, METRICS, ERRORS)
    assert capsys.readouterr().out.startswith(f"{TEXT}Total tokens: ")
    assert names["response"].content == TEXT
    assert len(names["message"].content) == 2
    service = ran(SERVICE)
    assert service["whole"]["content"] == TEXT
    assert service["whole"]["usage"]["total_tokens"] > 0
    assert "".join(piece["delta"] for piece in service["pieces"]) == service["pieces"][-1]["content"] == TEXT
    assert service["pieces"][-1]["finish_reason"] == "stop"


def test_its_structured_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The value is of the class itself, though the loop is left early."""
    answer = '{"sentiment": "good", "confidence": 0.5, "topics": ["sea"]}'
    with serving(fake_pair("openai_chat", text=answer), match=("streaming",)) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the sample leaves its stream to the garbage collector
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "k" * 12)
        names = ran(USAGE, STRUCTURED)
    assert type(names["result"]) is names["Analysis"]
    assert names["result"].confidence == 0.5


def test_the_page_of_moving(provider: ReplayServer, capsys: pytest.CaptureFixture[str]) -> None:
    """It runs, and a default that the model does not take is left out with a note."""
    names = run("moving/from-0.5.md")
    assert names["response"].content == TEXT
    assert any("default temperature" in note for note in names["plan"].notes)
    assert "temperature" not in (names["plan"].body or {})


def test_the_readme_of_today(tmp_path: Path) -> None:
    """Its first sample runs in a file without a key; its links work where the index shows them."""
    page = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    sample = page.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "sample.py").write_text(sample)
    bare = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "sample.py")], capture_output=True, text=True, env=bare, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, TEXT), done.stderr
    assert [link for link in re.findall(r"\]\(([^)]*)\)", page) if not link.startswith(("https://", "#"))] == []
