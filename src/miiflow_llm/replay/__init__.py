"""Record and replay streams: captures on disk, a recorder, a transport and a server that serve them, fakes.

Nothing here is imported by the client. Each name is loaded when it is first used, for pytest loads this package always.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .capture import Capture
    from .cassette import Cassette
    from .errors import CaptureError, NoMatchError, ReplayError, SecretFoundError
    from .fake import FakeError, fake_all, fake_body, fake_pair
    from .faults import CutAt, Reset, Stall, StatusFirst, Trickle
    from .recorder import RecordingTransport, record
    from .server import ReplayServer, serving
    from .store import load, load_folder, save
    from .transport import ReplayTransport
    from .virtual_clock import VirtualTimeLoop, run_virtual, virtual_time

__all__ = [
    "Capture",
    "CaptureError",
    "Cassette",
    "CutAt",
    "FakeError",
    "NoMatchError",
    "RecordingTransport",
    "ReplayError",
    "ReplayServer",
    "ReplayTransport",
    "Reset",
    "SecretFoundError",
    "Stall",
    "StatusFirst",
    "Trickle",
    "VirtualTimeLoop",
    "fake_all",
    "fake_body",
    "fake_pair",
    "load",
    "load_folder",
    "record",
    "run_virtual",
    "save",
    "serving",
    "virtual_time",
]

_HOMES = {
    "capture": ("Capture",),
    "cassette": ("Cassette",),
    "errors": ("CaptureError", "NoMatchError", "ReplayError", "SecretFoundError"),
    "fake": ("FakeError", "fake_all", "fake_body", "fake_pair"),
    "faults": ("CutAt", "Reset", "Stall", "StatusFirst", "Trickle"),
    "recorder": ("RecordingTransport", "record"),
    "server": ("ReplayServer", "serving"),
    "store": ("load", "load_folder", "save"),
    "transport": ("ReplayTransport",),
    "virtual_clock": ("VirtualTimeLoop", "run_virtual", "virtual_time"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
