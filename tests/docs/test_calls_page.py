"""What docs/calls.md shows works as it stands."""

from __future__ import annotations

from typing import Any

import pytest

from miiflow_llm.core.messages import ToolCall

from .pages import run_page


@pytest.mark.anyio
async def test_the_page(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its blocks run one after the other."""
    names: dict[str, Any] = {}
    server = await run_page("calls.md", names, monkeypatch)
    await names["client"].aclose()
    assert names["run"].finished
    assert names["response"].structured_output == "Rivers bring the salt."
    assert names["answer"].status == 200
    assert names["approve"](ToolCall("c", "tide")) is True
    shown = capsys.readouterr().out
    assert "Rivers bring the salt." in shown
    assert "message {" in shown
    assert [request.path for request in server.requests][-2:] == ["/v1/moderations", "/v1/responses"]
