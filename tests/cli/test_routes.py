"""Routes, trials and caches of a configuration: from the command line, from code, and behind the web service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

pytest.importorskip("typer")

from miiflow_llm import ClientPool, LLMClient
from miiflow_llm.caching import Cache
from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.replay.fake import FakeError, fake_pair
from miiflow_llm.replay.server import ReplayServer, serving
from miiflow_llm.routing import Router, SyncRouter
from miiflow_llm.trials import SyncTrial, Trial
from miiflow_llm.web import create_app

from .running import run

CONFIG = """
[providers.broken]
like = "openai-compatible"
base_url = "{broken}"
max_retries = 0
[providers.fine]
like = "openai-compatible"
base_url = "{fine}"
[routes.main]
targets = ["broken:m", {{ chat = "fine:m", label = "second", weight = 2.0 }}]
timeout = {{ total = 20.0 }}
[routes.tiers]
targets = [["fine:m"], ["broken:m"]]
policy = "fastest"
[trials.arms]
arms = {{ a = "fine:m", b = "fine:m" }}
log = "{log}"
[cache]
ttl = 60.0
store = "{store}"
tenant = "tests"
"""


@pytest.fixture
def fine() -> Iterator[ReplayServer]:
    """A provider that answers."""
    with serving(fake_pair("openai_chat", text="It is salty.", provider="openai-compatible"), match=()) as server:
        yield server


@pytest.fixture
def config(tmp_path: Path, fine: ReplayServer) -> Iterator[Path]:
    """A configuration with a target that fails, one that answers, and all that stands on them."""
    error = FakeError("down", status=503)
    with serving(fake_pair("openai_chat", error=error, provider="openai-compatible"), match=()) as broken:
        path = tmp_path / "miiflow.toml"
        said = {
            "broken": f"{broken.url}/v1",
            "fine": f"{fine.url}/v1",
            "log": tmp_path / "log.jsonl",
            "store": tmp_path / "c.db",
        }
        path.write_text(CONFIG.format(**said))
        yield path


def test_a_route_on_the_command_line(config: Path) -> None:
    """`-r NAME` asks the route: its first target fails, and the answer is the second one's."""
    for stream in ("--stream", "--no-stream"):
        answer = run("chat", "-r", "main", "--config", str(config), stream, "Why?")
        assert (answer.code, answer.out) == (0, "It is salty.\n"), answer.err


def test_a_route_is_explained(config: Path, fine: ReplayServer) -> None:
    """`route explain NAME` is a table, or JSON: where a call would go, and why not elsewhere. Nobody is asked."""
    answer = run("route", "explain", "main", "Why?", "--config", str(config))
    assert answer.code == 0, answer.err
    rows = [line.split("\t")[:3] for line in answer.out.splitlines()]
    assert rows == [["1", "broken/m", "order"], ["2", "second", "order"]]
    answer = run("route", "explain", "main", "--config", str(config), "--json", "--parameters", '{"seed": 1}')
    found = msgspec.json.decode(answer.out)
    assert [one["label"] for one in found["candidates"]] == ["broken/m", "second"]
    assert fine.requests == []
    assert run("route", "explain", "other", "--config", str(config)).code == 2


@pytest.mark.slow
def test_a_cache_on_the_command_line(config: Path, fine: ReplayServer) -> None:
    """`--cache` asks once, in a file of its own or in that of the configuration."""
    for where in (str(config.with_name("own.db")), "config"):
        before = len(fine.requests)
        for _ in range(2):
            answer = run("chat", "-r", "main", "--config", str(config), "--cache", where, "Why?")
            assert (answer.code, answer.out) == (0, "It is salty.\n"), answer.err
        assert len(fine.requests) == before + 1


@pytest.mark.slow
def test_a_trial_on_the_command_line(config: Path, tmp_path: Path) -> None:
    """`-r NAME` asks a trial too; `trial report` shows its log as a table, as JSON and as a picture."""
    for _ in range(3):
        assert run("chat", "-r", "arms", "--config", str(config), "Why?").code == 0
    log, plot = str(tmp_path / "log.jsonl"), tmp_path / "out.svg"
    shown = run("trial", "report", log, "--plot", str(plot))
    assert shown.code == 0, shown.err
    assert shown.out.startswith("trial arms, decided by success")
    assert "not yet" in shown.out
    assert plot.read_text().startswith("<svg")
    found = msgspec.json.decode(run("trial", "report", log, "--json").out)
    assert sum(arm["requests"] for arm in found["arms"]) == 3
    assert run("trial", "report", log, "--trial", "other").code == 2
    assert run("trial", "report", str(tmp_path / "none.jsonl")).code == 2


@pytest.mark.anyio
async def test_from_code(config: Path, fine: ReplayServer) -> None:
    """Routers, trials and caches are made from the configuration, and nest."""
    async with Cache.from_config(Router.from_config(config, "main"), config) as cache:
        first, again = await cache.chat("Why?"), await cache.chat("Why?")
        assert (first.content, first.served_by, again.cache) == ("It is salty.", "second", "hit")
        assert len(fine.requests) == 1
    async with Router.from_config(config, "tiers") as tiers, Trial.from_config(config, "arms") as trial:
        assert (await tiers.chat("Why?")).content == "It is salty."
        assert (await trial.chat("Why?", unit="ann")).call_id
    with SyncRouter.from_config(config, "main") as router, SyncTrial.from_config(config, "arms") as arms:
        assert router.chat("Why?").content == arms.chat("Why?").content == "It is salty."


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["router", "cache", "trial"])
async def test_behind_the_web_service(config: Path, kind: str) -> None:
    """The web service takes whatever has the face of a client, and says who served."""
    made: Any = {
        "router": lambda: Router.from_config(config, "main"),
        "cache": lambda: Cache.from_config(Router.from_config(config, "main"), config),
        "trial": lambda: Trial.from_config(config, "arms"),
    }[kind]()
    async with (
        made,
        httpx.AsyncClient(transport=httpx.ASGITransport(create_app(made)), base_url="http://here") as browser,
    ):
        for path in ("/chat", "/chat/stream"):
            answer = await browser.post(path, json={"messages": [{"role": "user", "content": "Why?"}]})
            assert answer.status_code == 200, answer.text
            assert "salty" in answer.text
        assert (await browser.get("/models")).json()["providers"][0]["name"] == made.provider


@pytest.mark.anyio
async def test_the_page_offers_routes(config: Path) -> None:
    """`serve` offers the routes of a configuration as models of a provider `route`, beside the providers' own."""
    from miiflow_llm.cli.serving import Order, allowed, clients_of

    offered = allowed(Order(host="127.0.0.1", port=0, config=str(config)))
    assert next(iter(offered)) == "route"
    assert offered["route"] == ["main", "tiers"]
    async with ClientPool(str(config)) as pool:
        app = create_app(clients_of(pool, offered, str(config)), models=offered)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as browser:
            order = {"messages": [{"role": "user", "content": "Why?"}], "provider": "route", "model": "main"}
            answer = await browser.post("/chat", json=order)
            assert answer.status_code == 200, answer.text
            assert "salty" in answer.text
            assert (await browser.post("/chat", json={**order, "model": "other"})).status_code == 422


@pytest.mark.parametrize(
    ("table", "words"),
    [({"routes": {"a": {"target": ["x:y"]}}}, "did you mean 'targets'"),
     ({"routes": {"a": {"targets": [{"label": "x"}]}}}, "name the target"),
     ({"routes": {"a": {"targets": [{"chat": "openai:m", "wieght": 1}]}}}, "did you mean 'weight'"),
     ({"routes": {"a": {"targets": ["openai:m"], "policy": "luck"}}}, "policy"),
     ({"routes": {"b": {"targets": ["openai:m"]}}}, "no routes.a; there are: b")],
    ids=str,
)  # fmt: skip
def test_routes_that_cannot_be(table: dict[str, Any], words: str) -> None:
    """A misspelt key, a missing name or a wrong value is an error that says where, and what would be right."""
    with pytest.raises(ConfigurationError, match=words):
        SyncRouter.from_config(table, "a")


def test_caches_and_trials_that_cannot_be() -> None:
    """The same for `[cache]` and `[trials.NAME]`."""
    client = LLMClient.create("openai", "m", "k" * 12)
    for table, words in (({"cache": {"tttl": 1}}, "did you mean 'ttl'"), ({}, r"there is no \[cache\]")):
        with pytest.raises(ConfigurationError, match=words):
            Cache.from_config(client, table)
    for table, words in (({"trials": {"t": {"arm": {}}}}, "did you mean 'arms'"), ({}, "no trials.t")):
        with pytest.raises(ConfigurationError, match=words):
            SyncTrial.from_config(table, "t")
