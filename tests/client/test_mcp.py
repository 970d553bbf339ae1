"""Tools of two real MCP servers, one over stdio and one over HTTP, in runs of both clients."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from miiflow_llm import LLMClient, McpServer, SyncLLMClient, SyncMcpServer, ToolFinished
from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.core.messages import ImageBlock, ToolCall
from miiflow_llm.replay.fake import fake_pair
from miiflow_llm.replay.server import serving

pytest.importorskip("mcp.client.client", reason="mcp 2.0 is not installed")

SCRIPT = [sys.executable, str(Path(__file__).parent / "mcp_server.py")]
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server over HTTP."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([*SCRIPT, str(port)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(params=["stdio", "http"])
def where(request: pytest.FixtureRequest, address: str) -> Any:
    """How the server is reached."""
    return SCRIPT if request.param == "stdio" else address


def calls() -> Any:
    """A model that calls two tools, whatever it is told."""
    asked = [("get_tide", {"port": "Oban", "day": 5}), ("fail", {"why": "no boat"})]
    return serving(fake_pair("openai_chat", tool_calls=asked), match=("streaming",))


@pytest.mark.anyio
async def test_in_an_event_loop(where: Any) -> None:
    """The tools have their schemas; what they give, and how they fail, is told to the model."""
    async with McpServer(where) as server:
        assert [tool.name for tool in server.tools] == ["get_tide", "fail", "draw"]
        tide = server.tools[0]
        assert tide.description == "The time of high water."
        assert tide.parameters is not None
        assert tide.parameters["required"] == ["port"]
        assert isinstance(await server.tools[2].run(""), dict)
        with calls() as model:
            async with LLMClient.create(
                "openai", "m", "k" * 9, base_url=f"{model.url}/v1", dialect="openai_chat"
            ) as client:
                run = await client.run_tools("Tides?", server.tools, max_rounds=2)
    results = [message for message in run.messages if message.role == "tool"]
    assert (results[0].text, results[0].is_error) == ("06:15 at Oban", False)
    assert results[1].is_error
    assert "no boat" in results[1].text


def test_by_blocking_calls(where: Any) -> None:
    """The same for threads, streamed, with a picture among the results."""
    drawn = fake_pair("openai_chat", tool_calls=[("draw", {})])
    with SyncMcpServer(where) as server, serving(drawn, match=("streaming",)) as model:
        with SyncLLMClient.create("openai", "m", "k" * 9, base_url=f"{model.url}/v1", dialect="openai_chat") as client:
            events = list(client.stream_tools("Draw.", server.tools, max_rounds=2))
    (finished,) = [event for event in events if isinstance(event, ToolFinished)]
    assert not finished.is_error
    assert any(isinstance(block, ImageBlock) for block in finished.message.content)
    assert isinstance(finished.call, ToolCall)


@pytest.mark.anyio
async def test_a_client_of_ones_own(address: str) -> None:
    """An open client of the package is used, and stays open."""
    from mcp import Client

    async with Client(address) as own:
        async with McpServer(own) as server:
            assert len(server.tools) == 3
        assert len((await own.list_tools()).tools) == 3


@pytest.mark.anyio
async def test_what_is_not_a_server() -> None:
    """Wrong arguments, and tools before they are there, are told."""
    for wrong in (5, "mcp-server", [], [1]):
        with pytest.raises(ConfigurationError, match="give a URL"):
            async with McpServer(wrong):
                pass
    with pytest.raises(ConfigurationError, match="inside `async with"):
        _ = McpServer("http://h").tools
    with pytest.raises(ConfigurationError, match="inside `with"):
        _ = SyncMcpServer("http://h").tools
