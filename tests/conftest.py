"""What all tests share: both backends, the captures, and snapshots with one file each."""

from __future__ import annotations

import pytest
from hypothesis import settings
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

settings.register_profile("suite", deadline=None, derandomize=True)  # the same run everywhere, on busy machines too
settings.load_profile("suite")

ENDINGS = ("_API_KEY", "_AUTH_TOKEN", "_BASE_URL", "_API_BASE")
"""How the variables of keys and addresses end."""


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
