"""The transport behind a test: it replays or records, by the mode that the run was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

import httpx

from .capture import Capture
from .errors import CaptureError, NoMatchError, ReplayError
from .recorder import RecordingTransport, RecordOptions
from .store import captures_of
from .transport import ReplayTransport
from .virtual_clock import is_virtual

Mode = Literal["none", "once", "new", "all"]
MODES: tuple[str, ...] = get_args(Mode)

_REAL = (
    "the test is marked virtual_time, but its time is real: the marker serves anyio's tests; pytest-asyncio and "
    "pytest-trio are told otherwise, see docs/replay.md, and a synchronous test has none"
)
_RECORDING = frozenset(RecordOptions.__annotations__) - {"name"}


class Cassette(httpx.AsyncBaseTransport, httpx.BaseTransport):
    """A folder of captures as a transport.

    In mode "none" requests are only replayed, and nothing goes out; "once" records where the folder is missing or
    empty and replays if it is not; "new" replays what matches and records what does not; "all" records everything.
    `options` are those of `ReplayTransport` and `RecordingTransport`. `misses` tell what matched nothing. With
    `virtual` it refuses to answer in real time, for a test that would otherwise wait as long as the recording.

    Raises:
        CaptureError: there is nothing to replay and the mode does not record.
    """

    def __init__(
        self,
        folder: Path | str,
        mode: Mode = "none",
        inner: httpx.AsyncBaseTransport | httpx.BaseTransport | None = None,
        *,
        virtual: bool = False,
        **options: Any,
    ) -> None:
        self.folder = Path(folder)
        self._virtual = virtual
        self.misses: list[NoMatchError] = []
        recording = {key: value for key, value in options.items() if key in _RECORDING}
        replaying = {"redact": options.get("redact", ()), **without_recording(options)}
        captures = [] if mode == "all" else _recorded(self.folder)
        if mode == "none" and not captures:
            raise CaptureError(f"nothing is recorded in {self.folder}; run with --record-mode=once to record it")
        self._replay = ReplayTransport(captures, **replaying)
        records = mode in ("new", "all") or (mode == "once" and not captures)
        self._record = RecordingTransport(self.folder, inner, **recording) if records else None

    @property
    def recorded(self) -> RecordingTransport | None:
        """The transport that records, `None` if this mode does not."""
        return self._record

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Replay the request, or record its answer."""
        if self._virtual and not is_virtual():
            raise ReplayError(_REAL)
        try:
            return await self._replay.handle_async_request(request)
        except NoMatchError as miss:
            if self._record is None:
                self.misses.append(miss)
                raise
        return await self._record.handle_async_request(request)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """`handle_async_request` without an event loop."""
        if self._virtual:
            raise ReplayError(_REAL)
        try:
            return self._replay.handle_request(request)
        except NoMatchError as miss:
            if self._record is None:
                self.misses.append(miss)
                raise
        return self._record.handle_request(request)

    async def aclose(self) -> None:
        """Close what records, and write what is still open."""
        if self._record is not None:
            await self._record.aclose()

    def close(self) -> None:
        """`aclose` without an event loop."""
        if self._record is not None:
            self._record.close()

    def settle(self) -> None:
        """Write what is still open.

        Raises:
            SecretFoundError, CaptureError: the first exchange that could not be written.
        """
        if self._record is not None:
            self._record.settle()
            if self._record.failures:
                raise self._record.failures[0]


def _recorded(folder: Path) -> list[Capture]:
    if folder.is_dir():
        return captures_of(folder)
    try:
        return captures_of(folder)
    except CaptureError:
        return []


def without_recording(options: dict[str, Any]) -> dict[str, Any]:
    """The options that are not only for recording."""
    return {key: value for key, value in options.items() if key not in _RECORDING}
