"""The JavaScript reader in Chromium, against the server that cuts its answers everywhere."""

from __future__ import annotations

from typing import Any

import pytest

from .servers import uvicorn_serving
from .test_reader import KINDS, PARSED, body, cutting

IN_THE_BROWSER = """async (paths) => {
    const { streamChat } = await import("/miiflow-llm.js");
    const told = [];
    for (const url of paths) {
        let text = "", end = null, parsed;
        try {
            for await (const chunk of streamChat({ messages: [] }, { url })) {
                text += chunk.delta ?? "";
                parsed = chunk.partial_parse;
                end = chunk.finish_reason ?? end;
            }
        } catch (reason) {
            end = reason.type;
        }
        told.push([text, end, JSON.stringify(parsed)]);
    }
    return told;
}"""


@pytest.fixture(scope="module")
def lengths() -> dict[str, int]:
    """How long each answer is; made before the browser runs."""
    return {kind: len(body(kind)) for kind in KINDS}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_in_chromium(lengths: dict[str, int], chromium: Any, kind: str) -> None:
    """In a browser it is the same: whole wherever the network cuts, and an error where it ends too early."""
    length = lengths[kind]
    some = [*range(1, length - 2, 17), length - 2]
    with uvicorn_serving(cutting) as url:
        tab = chromium.new_page()
        tab.goto(f"{url}/limited")
        whole = tab.evaluate(IN_THE_BROWSER, [f"/{kind}/each", *(f"/{kind}/cut/{at}" for at in some)])
        ended = tab.evaluate(IN_THE_BROWSER, [f"/{kind}/end/{at}" for at in some])
        tab.close()
    assert set(map(tuple, whole)) == {("Hello 🌊lo 🌊", "stop", PARSED)}
    assert {end for _, end, _ in ended} == {"interrupted"}
