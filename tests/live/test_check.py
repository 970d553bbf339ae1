"""`miiflow-llm check` against a real server, and the provider that its rows make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from miiflow_llm import SyncLLMClient
from miiflow_llm.core import ImageBlock, Message, TextBlock
from miiflow_llm.core.exceptions import (
    ConfigurationError,
    NetworkError,
    ServiceUnavailableError,
    UnsupportedParameterError,
)

from .server import LiveServer

pytest.importorskip("typer")

from miiflow_llm.cli.check import findings
from miiflow_llm.cli.checking.options import PIXEL
from miiflow_llm.cli.checking.pasted import pasted
from miiflow_llm.cli.checking.recording import Asker


class Animal(msgspec.Struct):
    """An animal."""

    animal: str
    legs: int


def test_the_rows_make_the_server_work(server: LiveServer) -> None:
    """Everything of the format that the server does is found; what it does not do is refused before it is sent."""
    asker = Asker(server.api, None, timeout=60)
    found = list(findings(asker, None))
    asker.close()
    verdicts = {finding.behaviour: finding.verdict for finding in found}
    does = ("whole answer", "temperature", "end", "usage", "limit of tokens", "schemas", "stop", "top_k", "logprobs")
    assert {verdicts[name] for name in (*does, "openai_responses", "anthropic_messages")} == {"ok"}
    assert (verdicts["images"], verdicts["embeddings"]) == ("row", "row")
    assert "differs" not in verdicts.values()
    rows: dict[str, Any] = {}
    exec(pasted(found, server.api), rows)
    with SyncLLMClient.create(rows["PROVIDER"], "tiny") as client:
        answer = client.chat("Describe a dog.", schema=Animal, max_tokens=60, temperature=0)
        assert isinstance(answer.structured_output, Animal)
        assert "," not in client.chat("Count to five.", stop=[","], max_tokens=20).content
        with pytest.raises(UnsupportedParameterError, match="no images"):
            client.chat([Message.user([TextBlock("x"), ImageBlock(PIXEL)])])
        with pytest.raises(ConfigurationError, match="embeds no texts"):
            client.embed(["x"])


def test_a_server_that_loads_ends_the_check(tmp_path: Path) -> None:
    """While the model loads nothing can be said of it."""
    server = LiveServer(log=tmp_path / "server.log", wait=False)
    asker = Asker(server.api, None, timeout=60)
    try:
        with pytest.raises((ServiceUnavailableError, NetworkError)):
            list(findings(asker, None))
    finally:
        asker.close()
        server.stop()
