"""Fakes in every dialect, streamed to the vendors' own SDKs from the server: what the test gave is what they say."""

from __future__ import annotations

import pytest

from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.fake import FakeError, fake_body
from miiflow_llm.replay.server import serving

from .sdks import SDKS, Said

pytestmark = pytest.mark.filterwarnings("ignore")
TEXT = "Twice a day, été, 水 and 🌊."
CALLS = [("get_tide", {"port": "Oban", "days": [1, 2]}), ("get_moon", {})]
FINISH = {
    "openai_chat": ("stop", "tool_calls"),
    "openai_responses": ("completed", "completed"),
    "anthropic_messages": ("end_turn", "tool_use"),
    "gemini_generate": ("STOP", "STOP"),
    "mistral_chat": ("stop", "tool_calls"),
    "ollama_chat": ("stop", "stop"),
    "cohere_v2": ("COMPLETE", "TOOL_CALL"),
    "bedrock_converse": ("end_turn", "tool_use"),
}


def told(sdk: str, capture: Capture) -> Said:
    """What the SDK says."""
    pytest.importorskip(SDKS[sdk].module)
    with SDKS[sdk].opened() as ask, serving([capture]) as server:
        return ask(server.url_for(capture.provider, capture.name), capture)


@pytest.mark.parametrize("sdk", SDKS)
def test_what_is_given_is_said(sdk: str) -> None:
    """Text beside reasoning, and calls, arrive whole, with finish word and tokens."""
    dialect = SDKS[sdk].dialect
    said = told(sdk, fake_body(dialect, text=TEXT, reasoning="The moon pulls."))
    assert (said.text, said.calls, said.finish) == (TEXT, [], FINISH[dialect][0])
    assert (said.prompt, said.completion) == (8, 10)
    said = told(sdk, fake_body(dialect, text="I look.", tool_calls=CALLS))
    assert (said.text, said.calls, said.finish) == ("I look.", CALLS, FINISH[dialect][1])


MIDSTREAM = {
    "openai responses": "",  # an event for the caller to look at: the SDK raises nothing
    "cohere": "",  # a finish reason, ERROR
    "mistralai": "Response validation failed",  # the SDK has no word for an error in a stream
}
"""What the SDKs say of an error in a stream that do not say its words."""


@pytest.mark.parametrize("midstream", [False, True])
@pytest.mark.parametrize("sdk", SDKS)
def test_errors_are_raised(sdk: str, midstream: bool) -> None:
    """An error that is given, before the answer or in its midst, is the SDK's own exception and has the words."""
    error = FakeError("the harbour is closed", status=418, code="closed", midstream=midstream)
    capture = fake_body(SDKS[sdk].dialect, text="Twice" if midstream else "", error=error)
    words = MIDSTREAM.get(sdk, error.message) if midstream else error.message
    if not words:
        assert told(sdk, capture).text == "Twice"
        return
    with pytest.raises(Exception, match=words) as caught:
        told(sdk, capture)
    assert SDKS[sdk].module.partition(".")[0] in type(caught.value).__module__
