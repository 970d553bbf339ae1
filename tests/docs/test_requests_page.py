"""What docs/requests.md shows works as it stands, and says on the wire what the page says it does."""

from __future__ import annotations

import ast
import base64
import re
from pathlib import Path
from typing import Any

import pytest

from miiflow_llm.replay.fake import fake_pair
from miiflow_llm.replay.server import ReplayServer

from ..dialects.asking import PNG

PAGE = (Path(__file__).parents[2] / "docs" / "requests.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
ANSWERS = [
    *fake_pair("anthropic_messages", text="Six.", reasoning="Low at six."),
    *fake_pair("openai_chat", text='{"port":"Oban","high":["06:10"]}'),
    *fake_pair("gemini_generate", text="Gladly."),
]


@pytest.mark.anyio
async def test_the_page(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its blocks run one after the other, and each asks for what it shows."""
    names: dict[str, Any] = {"picture": base64.b64decode(PNG.partition(",")[2])}
    async with ReplayServer(ANSWERS, match=("provider", "streaming")) as server:
        for provider, suffix in (("anthropic", ""), ("openai", "/v1"), ("google_gemini", "")):
            path = server.url_for(provider.removeprefix("google_"))
            monkeypatch.setenv(f"{provider.upper()}_BASE_URL", path + suffix)
            monkeypatch.setenv(f"{provider.removeprefix('google_').upper()}_API_KEY", "k")
        for block in BLOCKS:
            code = compile(block, "docs/requests.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            running = eval(code, names)
            if running is not None:
                await running
        bodies = [request.body for request in server.requests]
        for client in ("client", "typed", "other"):
            await names[client].aclose()
    kinds = [part["type"] for part in bodies[0]["messages"][0]["content"]]
    assert kinds == ["text", "image", "image", "document", "document"]
    assert bodies[1]["tools"][0]["input_schema"]["properties"]["day"]["anyOf"][0]["format"] == "date"
    assert bodies[3]["tools"][1]["type"] == "web_search_20250305"
    assert bodies[4]["thinking"]["type"] == "enabled"
    assert bodies[5]["thinking"]["budget_tokens"] == 4000
    assert bodies[6]["response_format"]["json_schema"]["name"] == "Tide"
    assert bodies[8]["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert bodies[8]["inference_geo"] == "eu"
    assert bodies[9]["messages"][0]["content"][0]["source"]["file_id"] == "file_011"
    assert [one["role"] for one in bodies[10]["contents"]] == ["user", "model", "user"]
    assert names["signed"] == "AWS4-HMAC-SHA256 ***"
    assert names["tide"] == names["Tide"]("Oban", ["06:10"])
    assert "{'port': 'Oban', 'high': ['06:10']}" in capsys.readouterr().out
