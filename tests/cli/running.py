"""Run the command in a process of its own, in a pipe or on a terminal that is none."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

KEY = "sk-planted-key-0123456789"
HOME = tempfile.mkdtemp(prefix="miiflow-llm-")  # what the command remembers is not the user's own
COMMAND = [sys.executable, "-W", "error", "-m", "miiflow_llm.cli"]


class Ran(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """The variables of a command: a key, and nothing of this machine's settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {
        **kept,
        "MIIFLOW_LLM_HOME": HOME,
        "MIIFLOW_LLM_NO_KEYRING": "1",
        "OPENAI_API_KEY": KEY,
        "TERM": "xterm-256color",
        "COLUMNS": "100",
        "PYTHONUTF8": "1",
        **more,
    }


def run(*arguments: str, given: str = "", folder: Path | None = None, **variables: str) -> Ran:
    """The command in a pipe."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(**variables),
        cwd=folder,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def plain(seen: str) -> str:
    """What a terminal showed, without what steers it."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", seen)


class Terminal:
    """The command on a terminal: `type` writes to it, `until` reads until some text is there, `end` waits for it."""

    def __init__(self, *arguments: str, **variables: str) -> None:
        self._master, other = pty.openpty()
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=other,
            stdout=other,
            stderr=other,
            env=environment(**variables),
            close_fds=True,
        )
        os.close(other)
        self.seen = ""

    def type(self, text: str) -> None:
        """Type the text."""
        os.write(self._master, text.encode())

    def until(self, text: str, times: int = 1) -> None:
        """Read until the text has been seen so many times."""
        end = time.monotonic() + 30
        while self.seen.count(text) < times:
            assert time.monotonic() < end, self.seen
            assert self._read(), self.seen

    def end(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        os.close(self._master)
        return self.process.wait(timeout=30)

    def _read(self) -> bool:
        if not select.select([self._master], [], [], 30)[0]:
            self.process.kill()
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other side is closed
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)
