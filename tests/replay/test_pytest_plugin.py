"""The pytest plugin, in a run of its own on a sample project; and the transport behind it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from miiflow_llm.replay.cassette import Cassette
from miiflow_llm.replay.errors import CaptureError, NoMatchError, ReplayError
from miiflow_llm.replay.no_network import NetworkBlockedError, no_network
from miiflow_llm.replay.server import ReplayServer, serving
from miiflow_llm.replay.store import load_folder, save
from miiflow_llm.replay.transport import ReplayTransport
from miiflow_llm.replay.virtual_clock import VirtualTimeLoop

from .made import ASKED, PATH, stream

SAMPLE = Path(__file__).parent / "sample"
PLUGIN = "miiflow_llm.replay.pytest_plugin"
NEEDED = (PLUGIN, "anyio", "syrupy")
ANSWER = (
    b'data: {"choices":[{"delta":{"content":"Twice a "}}]}\n\n'
    b'data: {"choices":[{"delta":{"content":"day."},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


def run(folder: Path, url: str, *options: str, plugins: tuple[str, ...] = NEEDED, **environment: str) -> str:
    """Run the sample's tests in a process of their own; its output, which ends in what pytest counted.

    `plugins` are loaded and no others; with none of them, all that are installed here.
    """
    chosen = [word for plugin in plugins for word in ("-p", plugin)]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen, *options]
    # uvloop-free and without the keys of this machine: the sample must need nothing.
    env = {**os.environ, "SAMPLE_URL": url, "PYTHONDONTWRITEBYTECODE": "1", **environment}
    env.pop("PYTEST_ADDOPTS", None)
    if plugins:
        env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """The sample project, alone in a folder."""
    folder = tmp_path / "sample"
    shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    (folder / "conftest.py").write_text(
        "import pytest\n\n@pytest.fixture(params=['asyncio', 'trio'])\ndef anyio_backend(request):\n"
        "    return request.param\n"
    )
    return folder


@pytest.mark.slow
def test_a_project_records_and_passes_with_the_server_gone(sample: Path) -> None:
    """A project records from a provider, then passes without one; no key is written; another request is told."""
    with serving([stream("live", body=ANSWER)], match=["path"]) as server:
        url = server.url_for("openai", "live")
        refused = run(sample, url, "-k", "test_tides")
        assert "run with --record-mode=once to record it" in refused
        assert "2 errors" in refused
        every = NEEDED if not installed() else ()
        recording = run(sample, url, "--record-mode=once", "--snapshot-update", plugins=every)
        assert "12 passed" in recording, recording
        # the marked tests once for both backends, the other in a folder for each
        assert asked(server) == ["When is high water?"] * 3 + ["When is low water?"]
        for mode, times in (("new", 1), ("all", 2)):
            server.requests.clear()
            again = run(sample, url, f"--record-mode={mode}", "-k", "in_real_time", SAMPLE_PROMPT="And now?")
            assert "2 passed" in again, again
            assert asked(server) == ["And now?"] * times
    captures = load_folder(sample / "recorded") + [
        capture for folder in sorted((sample / "captures").rglob("openai")) for capture in load_folder(folder)
    ]
    assert {capture.body for capture in captures} == {ANSWER}
    assert all(
        b"1029384756" not in path.read_bytes()
        for path in sample.rglob("*")
        if path.name != "test_sample.py" and path.is_file()
    )

    replaying = run(sample, url)
    assert "12 passed" in replaying, replaying
    assert '{"delta":"day.","finish_reason":"stop"' in "".join(path.read_text() for path in sample.rglob("*.chunks"))
    other = run(sample, url, "-k", "test_tides", SAMPLE_PROMPT="When is high water today?")
    assert "2 failed" in other
    assert '-      "content": "When is high water?"' in other
    assert '+      "content": "When is high water today?"' in other
    assert "run with --record-mode=new to record what matches nothing" in other
    offline = run(sample, url, "-k", "no_network", SAMPLE_OFFLINE="1")
    assert "must not reach example.com" in offline
    assert "2 failed" in offline
    plain = run(sample, url, "-k", "test_tides", plugins=NEEDED[:2])
    assert "chunk_snapshot needs syrupy: pip install syrupy" in plain


@pytest.mark.slow
def test_beside_pytest_recording(sample: Path) -> None:
    """Where pytest-recording brings `--record-mode`, its option and its words are ours; switched off, we bring it."""
    recording = sample / "pytest_recording"
    recording.mkdir()
    (recording / "__init__.py").touch()
    (recording / "plugin.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--record-mode', choices=['none', 'new_episodes'])\n"
    )
    with serving([stream("live", body=ANSWER)], match=["path"]) as server:
        url = server.url_for("openai", "live")
        with_it = (*NEEDED, "pytest_recording.plugin")
        done = run(sample, url, "--record-mode=new_episodes", "-k", "in_real_time", plugins=with_it)
        assert "2 passed" in done, done
    done = run(sample, url, "--record-mode=none", "-k", "in_real_time", "-p", "no:recording")
    assert "2 passed" in done, done


def installed() -> bool:
    """Whether pytest finds the plugin by itself."""
    return any(entry.value == PLUGIN for entry in importlib.metadata.entry_points(group="pytest11"))


def asked(server: ReplayServer) -> list[str]:
    """What the provider was asked, sorted."""
    return sorted(request.body["messages"][0]["content"] for request in server.requests)


def ask(transport: httpx.BaseTransport, **more: object) -> bytes:
    """Ask for what `made` answers."""
    with httpx.Client(transport=transport) as client:
        return client.post("https://api.openai.com/v1" + PATH, json={**ASKED, **more}).content


def test_the_modes(tmp_path: Path) -> None:
    """`none` never records, `once` only into an empty folder, `new` what matches nothing, `all` everything."""

    def live() -> ReplayTransport:
        return ReplayTransport([stream()], match=())

    with pytest.raises(CaptureError, match="--record-mode=once"):
        Cassette(tmp_path / "a")
    inner = live()
    once = Cassette(tmp_path / "a", "once", inner)
    assert ask(once) == ask(once, n=1) == stream().body
    assert len(inner.requests) == 2
    again = Cassette(tmp_path / "a", "once", live())
    assert ask(again, n=1) == stream().body
    assert again.recorded is None
    with pytest.raises(NoMatchError):
        ask(again, n=2)
    assert len(again.misses) == 1
    inner = live()
    new = Cassette(tmp_path / "a", "new", inner)
    assert ask(new) == ask(new, n=2) == stream().body
    assert [request.body["n"] for request in inner.requests] == [2]
    inner = live()
    everything = Cassette(tmp_path / "a", "all", inner)
    assert ask(everything) == stream().body
    assert len(inner.requests) == 1
    assert len(load_folder(tmp_path / "a")) == 3


def test_virtual_time_is_not_waited_for_in_real_time(tmp_path: Path) -> None:
    """A test that is marked, but runs on a real loop or on none, is told so instead of waiting."""
    save(stream(), tmp_path)
    cassette = Cassette(tmp_path, virtual=True, cut="recorded", pace=1.0)
    with pytest.raises(ReplayError, match="its time is real"):
        ask(cassette)

    async def asked() -> bytes:
        async with httpx.AsyncClient(transport=cassette) as client:
            return (await client.post("https://api.openai.com/v1" + PATH, json=ASKED)).content

    with pytest.raises(ReplayError, match="its time is real"):
        asyncio.run(asked())
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(asked()) == stream().body


def test_what_could_not_be_recorded_fails_at_the_end(tmp_path: Path) -> None:
    """An exchange that cannot be written fails the test when it ends."""
    cassette = Cassette(tmp_path, "once", ReplayTransport([stream()]), provider="../up")
    assert ask(cassette) == stream().body
    with pytest.raises(CaptureError, match="cannot be a capture's provider"):
        cassette.settle()


def test_a_single_capture_is_a_cassette(tmp_path: Path) -> None:
    """A path to one capture, without its suffix, serves that one."""
    save(stream(), tmp_path)
    assert ask(Cassette(tmp_path / "openai" / "text")) == stream().body


def test_no_network_beyond_loopback() -> None:
    """Names and addresses of other machines are refused; loopback is not; afterwards all is as before."""
    with serving([stream()]) as server, no_network():
        port = int(server.url.rpartition(":")[2])
        for host in ("example.com", "192.0.2.1", b"example.com"):
            with pytest.raises(NetworkBlockedError):
                socket.getaddrinfo(host, 443)
        with socket.socket() as probe, pytest.raises(NetworkBlockedError):
            probe.connect(("192.0.2.1", 443))
        with socket.socket(socket.AF_INET6) as probe, pytest.raises(NetworkBlockedError):
            probe.connect_ex(("2001:db8::1", 443))
        with socket.create_connection(("localhost", port)):
            pass
        assert httpx.post(f"{server.url_for('openai', 'text')}{PATH}", json=ASKED).status_code == 200
    assert socket.socket.connect.__qualname__ != "no_network.<locals>.connect_here"
