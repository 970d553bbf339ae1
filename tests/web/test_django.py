"""The Django views, under Django's own ASGI handler."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import anyio
import httpx
import pytest

django = pytest.importorskip("django", reason="django is not installed")

from miiflow_llm import LLMClient, SyncLLMClient, Timeout  # noqa: E402  after the check that Django is there
from miiflow_llm.replay.server import ReplayServer, serving  # noqa: E402  as above
from miiflow_llm.web.demo import scenes  # noqa: E402  as above

from .servers import uvicorn_serving  # noqa: E402  as above
from .test_service import opened, until_closed  # noqa: E402  as above

BODY = {"messages": [{"role": "user", "content": "Hello"}]}
pytestmark = pytest.mark.anyio

UI_BODY = {"messages": [{"role": "user", "parts": [{"type": "text", "text": "Hello"}]}], "model": "text"}


@pytest.fixture
def anyio_backend() -> str:
    """Django runs on asyncio alone."""
    return "asyncio"


@pytest.fixture(scope="module")
def slow() -> Iterator[ReplayServer]:
    """A provider that takes a second for every piece."""
    with serving([scene for scene in scenes() if scene.name == "text"], match=(), pace=1.0) as server:
        yield server


@pytest.fixture(scope="module")
def app(slow: ReplayServer) -> Any:
    """A Django project of one file."""
    from django.conf import settings

    urls = ModuleType("chat_urls")
    settings.configure(ROOT_URLCONF="chat_urls", ALLOWED_HOSTS=["*"], SECRET_KEY="x", LOGGING_CONFIG=None)
    django.setup()
    from django.core.asgi import get_asgi_application
    from django.http import JsonResponse
    from django.urls import include, path

    from miiflow_llm.web import demo
    from miiflow_llm.web import django as web

    clients = {scene.model: demo._client(scene, 0) for scene in scenes()}
    patient = LLMClient.create("openai-compatible", "text", "k", base_url=f"{slow.url}/v1")

    def plain(request: Any) -> JsonResponse:
        with SyncLLMClient.create("openai-compatible", "text", "k", base_url=f"{slow.url}/v1") as client:
            with client.stream_chat(request.GET["ask"], timeout=Timeout(total=5)) as stream:
                return JsonResponse({"first": next(stream).delta})

    urls.urlpatterns = [  # type: ignore[attr-defined]
        path("plain", plain),
        *web.urls(lambda _, model: clients[model or "text"], with_page=True),
        path("slow/", include(web.urls(patient))),
    ]
    sys.modules["chat_urls"] = urls
    return get_asgi_application()


@pytest.mark.parametrize(
    ("path", "body", "status", "holds"),
    [
        ("/chat", BODY, 200, '"finish_reason":"stop"'),
        ("/chat/stream", BODY, 200, '"type":"finished"'),
        ("/chat/stream", {**BODY, "model": "cut-short"}, 200, '"type":"interrupted"'),
        ("/chat/stream", {**BODY, "model": "rate-limited"}, 429, '"rate_limited"'),
        ("/chat", {"messages": []}, 422, "$.messages"),
        ("/chat/ui", UI_BODY, 200, "data: [DONE]"),
        ("/chat/ui", {**UI_BODY, "model": "rate-limited"}, 429, "Too many requests"),
        ("/chat/ui", {"messages": 3}, 422, "list of messages"),
        ("/preferences", {}, 404, "keeps no preferences"),
        ("/scores", {"call_id": "x", "value": 1}, 404, "not of a trial"),
    ],
)
async def test_views(app: Any, path: str, body: Any, status: int, holds: str) -> None:
    """Answers, streams and failures are those of the ASGI application."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        response = await client.post(path, json=body)
    assert response.status_code == status
    assert holds in response.text


@pytest.mark.parametrize("framing", ["text/event-stream", "application/x-ndjson"])
def test_under_a_server(slow: ReplayServer, app: Any, framing: str) -> None:
    """Under uvicorn an answer comes as it is made, in both framings."""
    with uvicorn_serving(app) as url, httpx.Client(base_url=url) as browser:
        headers = {"accept": framing}
        with browser.stream("POST", "/slow/chat/stream", json=BODY, headers=headers, timeout=5) as response:
            assert response.headers["content-type"].startswith(framing)
            first = next(response.iter_text())
    assert "Tides" in first
    assert "finished" not in first


@pytest.mark.parametrize("path", ["/slow/chat/stream", "/slow/chat"])
def test_browsers_that_leave(slow: ReplayServer, app: Any, path: str) -> None:
    """Answers that their browsers leave leave no request open at the provider, within a second."""
    with uvicorn_serving(app) as url:
        browsers = [opened(url, path) for _ in range(20)]
        for browser in browsers if path.endswith("stream") else ():
            assert b"200" in browser.recv(64)
        while slow.open_connections < 20:
            time.sleep(0.01)
        for browser in browsers:
            browser.close()
        assert until_closed(slow) < 1


async def test_a_synchronous_view(slow: ReplayServer, app: Any) -> None:
    """In a plain view the synchronous client serves, many at once, and leaves no request open."""
    answers: list[Any] = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as browser:

        async def ask() -> None:
            answers.append((await browser.get("/plain?ask=tides")).json())

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(ask)
    assert answers == [{"first": "Tides "}] * 5
    assert until_closed(slow) < 1


async def test_the_page(app: Any) -> None:
    """The page and its module are served."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        assert "<!doctype html>" in (await client.get("/")).text
        assert "streamChat" in (await client.get("/miiflow-llm.js")).text
        assert "Highlight.js" in (await client.get("/vendor/highlight.js")).text
