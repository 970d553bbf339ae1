"""What all tests share: both backends, the captures, and snapshots with one file each."""

from __future__ import annotations

import random
import signal
from collections import defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import settings
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from miiflow_llm.wire import engine

from .redis.running import Running
from .two_writings import compared

settings.register_profile("suite", deadline=None, derandomize=True)  # the same run everywhere, on busy machines too
settings.load_profile("suite")

ENDINGS = ("_API_KEY", "_AUTH_TOKEN", "_BASE_URL", "_API_BASE")
"""How the variables of keys and addresses end."""


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # under nohup: the commands that tests interrupt would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--quick`, for `scripts/test --quick` and the runs with other versions."""
    parser.addoption("--quick", action="store_true", help="a seeded sample of each test's cases, and no slow test")
    parser.addoption("--cases", type=int, default=4, help="with --quick: how many cases of a test are kept (4)")


def pytest_configure(config: pytest.Config) -> None:
    """A sample leaves snapshots unused, which is no failure then."""
    if config.getoption("--quick"):
        config.option.warn_unused_snapshots = True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the sample, the same one in every run."""
    if not config.getoption("--quick"):
        return
    most, cases = config.getoption("--cases"), defaultdict[str, list[pytest.Item]](list)
    for item in items:
        if item.get_closest_marker("slow") is None:
            cases[item.nodeid.partition("[")[0]].append(item)
    kept = {id(item) for name, some in cases.items() for item in random.Random(name).sample(some, min(most, len(some)))}
    config.hook.pytest_deselected(items=[item for item in items if id(item) not in kept])
    items[:] = [item for item in items if id(item) in kept]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every asynchronous test runs on both."""
    return str(request.param)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees a key or an address of the machine it runs on."""
    import os

    for name in list(os.environ):
        if name.endswith(ENDINGS) or name.startswith("AWS_") or name in ("OLLAMA_HOST", "CO_API_URL"):
            monkeypatch.delenv(name)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def written_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request of the suite is written by both ways of writing, which say the same to the byte."""
    monkeypatch.setattr(engine, "encode", compared(engine.encode))


@pytest.fixture(scope="session")
def redis() -> Iterator[str]:
    """The address of a real Redis server; skipped where there is none to start."""
    running = Running()
    yield running.url
    running.stop()


class OneFileEach(SingleFileSnapshotExtension):
    """A snapshot is a readable text file of its own."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"

    def serialize(self, data: str, **_: object) -> str:
        """The text as it is."""
        return data


@pytest.fixture
def one_file(snapshot):
    """The snapshot of a test's text, in a file of its own."""
    return snapshot.use_extension(OneFileEach)
