"""The seed service in twenty lines under uvicorn, and 200 browsers that leave: real sockets on both sides."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.replay import ReplayServer
from miiflow_llm.replay.server import serving
from miiflow_llm.web import create_app
from miiflow_llm.web.demo import scenes

from .servers import uvicorn_serving

BODY = {"messages": [{"role": "user", "content": "Hello"}], "model": "text"}


def asking(provider: ReplayServer) -> LLMClient:
    """A client of that provider."""
    return LLMClient.create("openai-compatible", "text", "k", base_url=f"{provider.url}/v1")


def seed_service(client: LLMClient) -> Any:
    """The service of earlier releases; `docs/service.md` has it whole."""
    fastapi = pytest.importorskip("fastapi", reason="fastapi is not installed")
    from miiflow_llm.web.fastapi import router

    app = fastapi.FastAPI()
    app.include_router(router(client, page=True), prefix="/api")
    return app


@pytest.fixture
def provider() -> Iterator[ReplayServer]:
    """A provider that gives its answer slowly."""
    with serving([scene for scene in scenes() if scene.name == "text"], match=(), pace=0.02) as server:
        yield server


def test_the_seed_service(provider: ReplayServer) -> None:
    """Both kinds of body answer through FastAPI under uvicorn, and the page stands beside them."""
    client = asking(provider)
    with uvicorn_serving(seed_service(client), closing=client) as url:
        stream = httpx.post(f"{url}/api/chat/stream", json=BODY, headers={"accept": "application/x-ndjson"})
        frames = [msgspec.json.decode(line) for line in stream.text.splitlines()]
        events = httpx.post(f"{url}/api/chat/stream", json=BODY).text.split("\n\n")
        assert httpx.get(f"{url}/api/").status_code == 200
        assert "/api/chat" in httpx.get(f"{url}/openapi.json").json()["paths"]
        assert httpx.post(f"{url}/api/chat", json={**BODY, "messages": []}).status_code == 422
    assert "".join(frame.get("delta", "") for frame in frames).endswith("spring tide. 🌊")
    assert frames[-1]["type"] == "finished"
    assert len(events) == len(frames) + 1


def test_dependencies_are_asked_first(provider: ReplayServer) -> None:
    """FastAPI's own dependencies guard every route of the router, before the body is looked at."""
    fastapi = pytest.importorskip("fastapi", reason="fastapi is not installed")
    from miiflow_llm.web.fastapi import router

    asked: list[str] = []

    def signed_in(authorization: str = fastapi.Header("")) -> None:
        asked.append(authorization)
        if authorization != "Bearer me":
            raise fastapi.HTTPException(401, "Sign in first.")

    client = asking(provider)
    app = fastapi.FastAPI()
    app.include_router(router(client, dependencies=[fastapi.Depends(signed_in)], prefix="/api", tags=["chat"]))
    with uvicorn_serving(app, closing=client) as url:
        for path in ("/api/chat", "/api/chat/stream"):
            assert httpx.post(f"{url}{path}", json={"wrong": 1}).status_code == 401
        assert httpx.get(f"{url}/api/models").status_code == 401
        assert not provider.requests
        headers = {"authorization": "Bearer me"}
        assert '"type":"finished"' in httpx.post(f"{url}/api/chat/stream", json=BODY, headers=headers).text
        assert httpx.post(f"{url}/api/chat", json={"wrong": 1}, headers=headers).status_code == 422
    assert len(asked) == 5


@pytest.mark.parametrize("framework", ["asgi", "fastapi"])
def test_browsers_that_leave(provider: ReplayServer, framework: str) -> None:
    """200 streams closed by their browsers leave no request open at the provider, within a second."""
    provider.pace = 0.2  # no answer ends by itself while the test runs
    client = asking(provider)
    app = create_app(client) if framework == "asgi" else seed_service(client)
    path = "/chat/stream" if framework == "asgi" else "/api/chat/stream"
    with uvicorn_serving(app, closing=client) as url:
        browsers = [opened(url, path) for _ in range(200)]
        for browser in browsers:
            assert b"200" in browser.recv(64)
        assert provider.open_connections == 200
        for browser in browsers:
            browser.close()
        assert until_closed(provider) < 1


@pytest.mark.parametrize("framework", ["asgi", "fastapi"])
def test_a_browser_that_leaves_a_whole_answer(provider: ReplayServer, framework: str) -> None:
    """Also of an answer that is not streamed, nothing stays open where nobody waits for it."""
    provider.pace = 5.0
    client = asking(provider)
    app = create_app(client) if framework == "asgi" else seed_service(client)
    with uvicorn_serving(app, closing=client) as url:
        browser = opened(url, "/chat" if framework == "asgi" else "/api/chat")
        while not provider.open_connections:
            time.sleep(0.01)
        browser.close()
        assert until_closed(provider) < 1


def until_closed(provider: ReplayServer) -> float:
    """The seconds until the provider has no connection any more."""
    began = time.monotonic()
    while provider.open_connections and time.monotonic() - began < 5:
        time.sleep(0.01)
    assert provider.open_connections == 0
    return time.monotonic() - began


def opened(url: str, path: str) -> socket.socket:
    """A browser's connection with its request sent."""
    host, port = url.removeprefix("http://").split(":")
    body = msgspec.json.encode(BODY)
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    browser = socket.create_connection((host, int(port)), timeout=60)
    browser.sendall(head.encode() + body)
    return browser
