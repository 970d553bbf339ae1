"""The Django views, under Django's own ASGI handler."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import httpx
import pytest

django = pytest.importorskip("django", reason="django is not installed")

from miiflow_llm.web.demo import scenes  # noqa: E402  after the check that Django is there

BODY = {"messages": [{"role": "user", "content": "Hello"}]}
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Django runs on asyncio alone."""
    return "asyncio"


@pytest.fixture(scope="module")
def app() -> Any:
    """A Django project of one file."""
    from django.conf import settings

    urls = ModuleType("chat_urls")
    settings.configure(ROOT_URLCONF="chat_urls", ALLOWED_HOSTS=["*"], SECRET_KEY="x", LOGGING_CONFIG=None)
    django.setup()
    from django.core.asgi import get_asgi_application

    from miiflow_llm.web import demo
    from miiflow_llm.web import django as web

    clients = {scene.model: demo._client(scene, 0) for scene in scenes()}
    urls.urlpatterns = web.urls(lambda _, model: clients[model or "text"], with_page=True)  # type: ignore[attr-defined]
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
    ],
)
async def test_views(app: Any, path: str, body: Any, status: int, holds: str) -> None:
    """Answers, streams and failures are those of the ASGI application."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        response = await client.post(path, json=body)
    assert response.status_code == status
    assert holds in response.text


async def test_the_page(app: Any) -> None:
    """The page and its module are served."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        assert "<!doctype html>" in (await client.get("/")).text
        assert "streamChat" in (await client.get("/miiflow-llm.js")).text
