"""The processes of a run: the server, and a worker for each client, in the environment that has it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rivals import PACKAGES

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("BENCH_CACHE", Path.home() / ".cache" / "miiflow-llm-bench"))
STARTING = 120
"""Seconds that a client may take to be imported."""
MEASURING = 90
"""Seconds that one measure may take."""


class Failed(Exception):
    """A client that cannot be measured, and why."""


class Server:
    """The server and its certificate."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self.ca, cert, key = _certificate(folder)
        command = [sys.executable, str(HERE / "server.py"), cert, key]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None  # noqa: S101  it was asked for
        self.ports = self._process.stdout.readline().split()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()


def _certificate(folder: Path) -> tuple[str, str, str]:
    """A certificate authority and a certificate for localhost, made on the spot."""
    import trustme

    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    return str(folder / "ca.pem"), str(folder / "cert.pem"), str(folder / "key.pem")


class Worker:
    """One client's process."""

    def __init__(self, client: str, backend: str, server: Server) -> None:
        self.client = client
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  it is open as long as the process
        command = [python_of(client), str(HERE / "worker.py"), client, backend, *server.ports, server.ca]
        quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}  # what would ask the network
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**environment(client), **quiet},
        )

    def wait_ready(self) -> None:
        """Wait until the client is imported."""
        self._answer(STARTING)

    def measure(self, measure: str, **order: Any) -> dict[str, float]:
        """One measure's figures.

        Raises:
            Failed: the client failed, or took too long.
        """
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101  it was asked for
        try:
            pipe.write(json.dumps({"measure": measure, **order}).encode() + b"\n")
            pipe.flush()
        except OSError:
            raise Failed(self._last_words()) from None
        return self._answer(MEASURING)

    def _answer(self, seconds: float) -> dict[str, float]:
        pipe = self._process.stdout
        assert pipe is not None  # noqa: S101  it was asked for
        while True:
            ready, _, _ = select.select([pipe], [], [], seconds)
            if not ready:
                raise Failed(f"took longer than {seconds} s")
            line = pipe.readline()
            if not line:
                raise Failed(self._last_words())
            with contextlib.suppress(ValueError):  # a client that prints to its standard output
                found: dict[str, Any] = json.loads(line)
                break
        if "error" in found:
            raise Failed(found["error"])
        return found

    def _last_words(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else f"ended with {self._process.returncode}"

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()


@contextlib.contextmanager
def workers(clients: list[str], backend: str, server: Server) -> Iterator[tuple[dict[str, Worker], dict[str, str]]]:
    """A worker for each client that can be had, and why the others cannot."""
    started: dict[str, Worker] = {}
    missing: dict[str, str] = {}
    try:
        for client in clients:
            try:
                started[client] = Worker(client, backend, server)
            except Failed as reason:
                missing[client] = str(reason)
        for client, worker in list(started.items()):
            try:
                worker.wait_ready()
            except Failed as reason:
                missing[client] = str(reason)
                started.pop(client).close()
        yield started, missing
    finally:
        for worker in started.values():
            worker.close()


def python_of(client: str) -> str:
    """The interpreter that has the client: ours, or for a rival that of its own environment, made when first asked for.

    Raises:
        Failed: it cannot be installed.
    """
    if client not in PACKAGES:
        return sys.executable
    home = CACHE / client
    python = home / "bin" / "python"
    if (home / "failed").exists():
        raise Failed(f"cannot be installed here (delete {home} to try again)")
    if not (home / "ready").exists():
        print(f"installing {client} in {home} ...", flush=True)
        venv.create(home, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "anyio", "uvloop", PACKAGES[client]]
        done = subprocess.run(install, check=False, capture_output=True, text=True)
        (home / ("failed" if done.returncode else "ready")).touch()
        if done.returncode:
            raise Failed(f"cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
    return str(python)


def versions_of(client: str) -> dict[str, str]:
    """The releases of what the client stands on."""
    names = ["miiflow-llm", "httpx", "httptools", "msgspec", "anyio", "trio", "uvloop"]
    if client in PACKAGES:
        names = [PACKAGES[client].partition("[")[0], "openai", "anthropic", "httpx", "httpx2", "aiohttp", "pydantic"]
    code = (
        "import importlib.metadata as m, json, sys\nfound = {}\nfor name in sys.argv[1:]:\n"
        "    try: found[name] = m.version(name)\n    except m.PackageNotFoundError: pass\nprint(json.dumps(found))"
    )
    done = subprocess.run([python_of(client), "-c", code, *names], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def environment(client: str) -> dict[str, str]:
    """Without what would send a client through a proxy, and for a rival without our own packages."""
    dropped = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"} if client in PACKAGES else set[str]()
    return {name: value for name, value in os.environ.items() if name not in dropped and "proxy" not in name.lower()}
