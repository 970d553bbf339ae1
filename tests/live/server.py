"""A real llama.cpp server on a free port of loopback, with a real small model."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

from ..captured import ROOT

FOLDER = ROOT / ".cache" / "live"
SLOTS = 2
CONTEXT = 4096
THINK = """\
{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content.split('</think>')[-1] + '<|im_end|>\\n' }}{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n<think>\\n' }}{%- endif %}
"""  # noqa: E501  a template's line ends are part of what the model reads


def program() -> Path | None:
    """The server, if `scripts/live` has got it."""
    return next(iter(sorted(FOLDER.glob("*/bin/llama-server"))), None)


def model() -> Path | None:
    """The model, if `scripts/live` has got it."""
    return next(iter(sorted(FOLDER.glob("*/*.gguf"))), None)


class LiveServer:
    """One server; `url` is its address, `api` the base URL that clients are given."""

    def __init__(self, *options: str, log: Path, wait: bool = True) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.api = f"{self.url}/v1"
        self.log = log
        found, weights = program(), model()
        assert found is not None
        assert weights is not None
        command = [str(found), "-m", str(weights), "--host", "127.0.0.1", "--port", str(self.port), "-c", str(CONTEXT),
                   "-np", str(SLOTS), "-t", "1", "--metrics", "--slots", "--no-webui", *options]  # fmt: skip
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=_environment(found))
        if wait:
            self.wait()

    def wait(self, seconds: float = 60) -> None:
        """Wait until the model is loaded."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/health").status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"the server did not start: {self.log.read_text(errors='replace')[-2000:]}")

    def metric(self, name: str) -> float:
        """A counter of the server's own."""
        found = re.search(rf"^llamacpp:{name} (\S+)$", httpx.get(f"{self.url}/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def busy(self) -> int:
        """How many answers are being made."""
        slots: list[dict[str, Any]] = httpx.get(f"{self.url}/slots").json()
        return sum(bool(slot["is_processing"]) for slot in slots)

    def is_idle_within(self, seconds: float) -> bool:
        """Whether nothing is being made any more, soon."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if not self.busy():
                return True
            time.sleep(0.02)
        return False

    def kill(self) -> None:
        """End it without a word."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


def _environment(found: Path) -> dict[str, str]:
    return {**os.environ, "LD_LIBRARY_PATH": str(found.parent)}
