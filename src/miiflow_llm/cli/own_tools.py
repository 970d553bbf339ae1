"""Tools of the user's own for a chat: `module:function`, asked for at the terminal before each call."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from ..calls.tool_stream import SyncToolStream
from ..core.exceptions import ConfigurationError
from ..core.messages import ToolCall
from ..core.response import ChatResponse, StreamChunk
from ..core.text import printable
from ..core.tool_events import ToolFinished, ToolStarted
from ..schema.tools import as_tool
from .ending import say

ASK = "  run it? [y]es, [n]o, [a]lways: "
SHOWN = 200
"""Characters of a result that are shown."""


def loaded(place: str) -> Any:
    """The function of `module:function`, or of `file.py:function`; the current folder is looked into first.

    Raises:
        ConfigurationError: there is none, or it cannot be a tool.
    """
    module, _, name = place.rpartition(":")
    if not module or not name:
        raise ConfigurationError(f"--tool {place}: write module:function, or file.py:function")
    try:
        found: Any = _module(module)
        for part in name.split("."):
            found = getattr(found, part)
        as_tool(found)
    except ConfigurationError as error:
        raise ConfigurationError(f"--tool {place}: {error.message}") from None
    except AttributeError:
        raise ConfigurationError(f"--tool {place}: {module} has no {name}") from None
    except Exception as error:  # whatever the user's module raises as it is loaded
        raise ConfigurationError(f"--tool {place}: {type(error).__name__}: {error}") from None
    return found


def _module(name: str) -> ModuleType:
    if not name.endswith(".py"):
        if "" not in sys.path and str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(Path(name).stem, name)
    if spec is None or spec.loader is None or not Path(name).is_file():
        raise FileNotFoundError(f"there is no file {name}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module


class Approval:
    """Asks before each call, unless `always`; once told so it asks no more for that tool.

    Raises:
        ConfigurationError: a person must be asked, but the command does not run in a terminal.
    """

    def __init__(self, *, always: bool) -> None:
        self._always = always
        self._allowed = set[str]()
        if not always and not (sys.stdin is not None and sys.stdin.isatty()):
            raise ConfigurationError("--tool asks before each call, and there is no terminal to ask at: pass --yes")

    def __call__(self, call: ToolCall) -> bool:
        """Whether the call may run."""
        if self._always or call.name in self._allowed:
            return True
        say(f"the model calls {call.name}({call.arguments})")
        try:
            answer = input(ASK).strip().lower()
        except EOFError:
            return False
        if answer in ("a", "always"):
            self._allowed.add(call.name)
        return answer in ("y", "yes", "a", "always")


class Answered:
    """A run with tools as the stream of its text; calls and results are told beside it. `said` is all that was said."""

    def __init__(self, stream: SyncToolStream, opening: int, *, as_json: bool) -> None:
        self._stream = stream
        self._opening = opening
        self._as_json = as_json
        self.ready = 0

    @property
    def response(self) -> ChatResponse:
        """The last answer."""
        return self._stream.response

    @property
    def said(self) -> Sequence[Any]:
        """The messages that came after the question."""
        return self._stream.run.messages[self._opening :]

    def __iter__(self) -> Iterator[StreamChunk]:
        for event in self._stream:
            if isinstance(event, StreamChunk):
                yield event
            elif not self._as_json:
                self._tell(event)

    def _tell(self, event: ToolStarted | ToolFinished) -> None:
        if isinstance(event, ToolStarted):
            say(f"{event.call.name}({event.call.arguments})")
            return
        words = " ".join(printable(event.content).split())
        how = "failed: " if event.is_error else "→ "
        say(f"  {how}{words[:SHOWN]}{'…' if len(words) > SHOWN else ''}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
