"""The Python blocks of a page of docs/, run one after the other against a provider that answers everything."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from miiflow_llm.replay.fake import fake_pair
from miiflow_llm.replay.server import ReplayServer


def blocks(name: str) -> list[str]:
    """The page's Python blocks."""
    page = (Path(__file__).parents[2] / "docs" / name).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


async def run_page(name: str, names: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> ReplayServer:
    """Run the page's blocks with `names` against a server on loopback; the server, with what it was asked."""
    answers = fake_pair("openai_chat", text="Rivers bring the salt.")
    async with ReplayServer(answers, match=("streaming",)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "k" * 12)
        for block in blocks(name):
            code = compile(block, f"docs/{name}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            running = eval(code, names)
            if running is not None:
                await running
    return server
