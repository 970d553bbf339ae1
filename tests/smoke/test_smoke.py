"""Clients on every event loop and in threads, over TCP and TLS: on this Python, without a warning."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ..captured import ROOT, own, read
from ..http.lean.server import Peer, Server
from ..http.lean.test_tls import AUTHORITY, server_context
from .asking import AT_ONCE

CAPTURES = {capture.name: capture for capture in own() if capture.provider == "openai"}
LOOPS = ["asyncio", "eager", "uvloop", "trio", "threads"]


def said(name: str) -> str:
    """The text of a capture."""
    response = read(CAPTURES[name]).response
    assert response is not None
    return response.content


def answer(peer: Peer) -> None:
    """Serve streams and whole answers, as they are asked for, on one connection."""
    while (request := peer.request()) is not None:
        capture = CAPTURES["text" if b'"stream":true' in request.body else "whole_text"]
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {capture.content_type}\r\ncontent-length: {len(capture.body)}\r\n\r\n"
        peer.send(head.encode(), capture.body)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the authority that signed the server's certificate."""
    path = tmp_path_factory.mktemp("tls") / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(path)
    return path


def asked(loop: str, transport: str, url: str, authority: Path) -> Any:
    """What the caller printed; it must have ended well, and warned of nothing."""
    if loop == "uvloop" and importlib.util.find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed")
    if loop == "eager" and sys.version_info < (3, 12):
        pytest.skip("eager tasks came with Python 3.12")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.smoke.asking", loop, transport, url],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=ROOT,
        env={**os.environ, "SSL_CERT_FILE": str(authority)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize("secured", [False, True], ids=["tcp", "tls"])
@pytest.mark.parametrize("transport", ["lean", "httpx"])
@pytest.mark.parametrize("loop", LOOPS)
def test_a_caller(loop: str, transport: str, secured: bool, authority: Path) -> None:
    """Whole answers, streams side by side, one that is left and one that is cancelled; no warning comes of it."""
    with Server(answer, context=server_context() if secured else None) as server:
        found = asked(loop, transport, server.url, authority)
        assert server.settled()
    text = said("text")
    assert found == {"whole": said("whole_text"), "streamed": [text] * AT_ONCE, "first": text.split()[0]}
