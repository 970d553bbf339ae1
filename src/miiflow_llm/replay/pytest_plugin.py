"""A pytest plugin: captures for a test, replayed, or recorded when the run asks for it with `--record-mode`.

    @pytest.mark.replay("captures/tides")
    async def test_tides(replay):
        client = LLMClient.create("openai", model, api_key="any", http_client=httpx.AsyncClient(transport=replay))

Only pytest imports it, and it imports what it needs when a test asks for it.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .cassette import Cassette
    from .server import ReplayServer

Reporting = Generator[None, pytest.TestReport, pytest.TestReport]

_MODES = {"none": "none", "once": "once", "new": "new", "all": "all", "new_episodes": "new", "rewrite": "all"}
"""Our modes, and pytest-recording's names for them: where that plugin is installed the option is its own."""

_BEGUN = pytest.StashKey[set[Path]]()
"""The folders that this run began to record: with "once" each of the tests that share one adds what it asks."""


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add `--record-mode`, unless pytest-recording brings one of the same name."""
    if importlib.util.find_spec("pytest_recording") is not None and not pluginmanager.is_blocked("recording"):
        return
    group = parser.getgroup("miiflow_llm", "replaying LLM streams")
    group.addoption(
        "--record-mode",
        default="none",
        choices=["none", "once", "new", "all"],
        help="none: replay only, no network (default); once: record tests that have no captures yet; "
        "new: also record requests that match nothing; all: record everything again",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    config.addinivalue_line(
        "markers",
        "replay(path, **options): the captures that the fixtures `replay` and `replay_server` serve; a path is "
        "relative to the test's file; options are those of ReplayTransport and RecordingTransport",
    )
    config.addinivalue_line(
        "markers",
        "virtual_time(*backends, autojump_threshold=0.0): run an anyio test, on asyncio and trio unless named, where "
        "waits take no real time, and `replay` with the recorded times; in a run that may record, time is the real one",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that is marked `virtual_time` event loops of that kind."""
    marker = metafunc.definition.get_closest_marker("virtual_time")
    if marker is None or "anyio_backend" not in metafunc.fixturenames:
        return
    if "replay" in metafunc.fixturenames and _mode(metafunc.config) != "none":
        return  # it may record, and a provider does not hurry
    backends = marker.args or [name for name in ("asyncio", "trio") if importlib.util.find_spec(name)]
    virtual = [pytest.param(_Virtual((name, marker.kwargs)), id=name) for name in backends]
    metafunc.definition.add_marker(pytest.mark.parametrize("anyio_backend", virtual))


class _Virtual(tuple[str, Mapping[str, Any]]):
    """A backend's name and the options of its virtual time, until a test begins."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give each test a clock of its own: one that another has used does not begin at 0."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    backend = parameters.get("anyio_backend")
    if isinstance(backend, _Virtual):
        from .virtual_clock import virtual_time

        parameters["anyio_backend"] = virtual_time(backend[0], **backend[1])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Reporting:
    """Show what matched nothing beside a failure, whatever the code under test made of the error."""
    report = yield
    misses = getattr(getattr(item, "funcargs", {}).get("replay"), "misses", ())
    if call.when == "call" and report.failed and misses:
        shown = [*map(str, misses), "run with --record-mode=new to record what matches nothing"]
        report.sections.append(("not recorded", "\n".join(shown)))
    return report


@pytest.fixture
def replay(request: pytest.FixtureRequest) -> Iterator[Cassette]:
    """An httpx transport, async and sync, that replays the test's captures, or records them (see `--record-mode`).

    The captures are those that the marker `replay` names, else `captures/<file>/<test>` beside the test's file. While a
    test only replays it cannot reach another machine.
    """
    from .no_network import no_network

    folder, options = _marked(request)
    if request.node.get_closest_marker("virtual_time") is not None and _mode(request.config) == "none":
        options = {"cut": "recorded", "pace": 1.0, **options, "virtual": True}
    cassette = _cassette(request.config, folder, options)
    with ExitStack() as guard:
        if cassette.recorded is None:
            guard.enter_context(no_network())
        yield cassette
    cassette.settle()


def _mode(config: pytest.Config) -> str:
    return _MODES[config.getoption("--record-mode", None) or "none"]


def _cassette(config: pytest.Config, folder: Path, options: dict[str, Any]) -> Cassette:
    from .cassette import Cassette
    from .errors import CaptureError

    begun = config.stash.setdefault(_BEGUN, set())
    mode = _mode(config)
    if mode == "once" and folder in begun:
        mode = "new"
    try:
        cassette = Cassette(folder, mode, **options)  # type: ignore[arg-type]  # one of the four modes, by the table
    except CaptureError as error:
        pytest.fail(str(error), pytrace=False)
    if cassette.recorded is not None:
        begun.add(folder)
    return cassette


@pytest.fixture
def replay_server(request: pytest.FixtureRequest) -> Iterator[ReplayServer]:
    """A `ReplayServer` with the test's captures, running in a thread; it never records."""
    from .cassette import without_recording
    from .errors import CaptureError
    from .server import serving
    from .store import captures_of

    folder, options = _marked(request)
    try:
        captures = captures_of(folder)
    except CaptureError as error:
        pytest.fail(str(error), pytrace=False)
    with serving(captures, **without_recording(options)) as server:
        yield server


@pytest.fixture
def chunk_snapshot(request: pytest.FixtureRequest) -> Any:
    """A syrupy snapshot of a list of chunks, in a file of its own, a line each: `assert chunks == chunk_snapshot`."""
    try:
        snapshot = request.getfixturevalue("snapshot")
    except pytest.FixtureLookupError:
        pytest.fail("chunk_snapshot needs syrupy: pip install syrupy")
    return snapshot.use_extension(_chunk_file())


def _chunk_file() -> type:
    from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

    from .snapshot import chunk_lines

    class ChunkFile(SingleFileSnapshotExtension):
        _write_mode = WriteMode.TEXT
        file_extension = _file_extension = "chunks"  # syrupy 4 has the second name

        def serialize(self, data: Any, **_: Any) -> str:
            return chunk_lines(data)

    return ChunkFile


def _marked(request: pytest.FixtureRequest) -> tuple[Path, dict[str, Any]]:
    """The folder that the test names, and its options."""
    here: Path = request.path.parent
    marker = request.node.get_closest_marker("replay")
    if marker is not None and marker.args:
        return here / marker.args[0], dict(marker.kwargs)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", request.node.name).strip("-")
    return here / "captures" / request.path.stem / name, dict(marker.kwargs) if marker is not None else {}
