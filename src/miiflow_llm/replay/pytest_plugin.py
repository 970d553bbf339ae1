"""A pytest plugin: captures for a test, replayed, or recorded when the run asks for it with `--record-mode`.

    @pytest.mark.replay("captures/tides")
    async def test_tides(replay):
        client = LLMClient.create("openai", model, api_key="any", http_client=httpx.AsyncClient(transport=replay))

It is imported by pytest alone, and imports what it needs when a test asks for it.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Generator, Iterator
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


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--record-mode`, unless pytest-recording brings one of the same name."""
    if importlib.util.find_spec("pytest_recording") is not None:
        return
    group = parser.getgroup("miiflow_llm", "replaying LLM streams")
    group.addoption(
        "--record-mode",
        default="none",
        choices=["none", "once", "new", "all"],
        help="none: replay only, no network (default); once: record what has no captures yet; "
        "new: also record requests that match nothing; all: record everything again",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "replay(path, **options): the captures that the fixtures `replay` and `replay_server` serve; a path is "
        "relative to the test's file; options are those of ReplayTransport and RecordingTransport",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Reporting:
    """Show what matched nothing beside a failure, whatever the code under test made of the error."""
    report = yield
    misses = getattr(getattr(item, "funcargs", {}).get("replay"), "misses", ())
    if call.when == "call" and report.failed and misses:
        report.sections.append(("not recorded", "\n".join(str(miss) for miss in misses)))
    return report


@pytest.fixture
def replay(request: pytest.FixtureRequest) -> Iterator[Cassette]:
    """An httpx transport, async and sync, that replays the test's captures, or records them (see `--record-mode`).

    The captures are those that the marker `replay` names, else `captures/<file>/<test>` beside the test's file. While a
    test only replays it cannot reach another machine.
    """
    from .cassette import Cassette
    from .no_network import no_network

    mode = _MODES[request.config.getoption("--record-mode") or "none"]
    folder, options = _marked(request)
    cassette = Cassette(folder, mode, **options)  # type: ignore[arg-type]  # one of the four modes, by the table
    with ExitStack() as guard:
        if cassette.recorded is None:
            guard.enter_context(no_network())
        yield cassette
    cassette.settle()


@pytest.fixture
def replay_server(request: pytest.FixtureRequest) -> Iterator[ReplayServer]:
    """A `ReplayServer` with the test's captures, running in a thread; it never records."""
    from .cassette import without_recording
    from .server import serving

    folder, options = _marked(request)
    with serving(folder, **without_recording(options)) as server:
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
        file_extension = "chunks"

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
