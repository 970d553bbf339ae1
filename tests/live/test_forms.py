"""A type that the answer follows, by a forced tool and by the prompt, beside the grammar of `test_live`."""

from __future__ import annotations

import msgspec
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import ParsingError
from miiflow_llm.providers.openai_compatible import PROVIDER

from .server import LiveServer
from .test_live import Sea, client, made

pytestmark = pytest.mark.anyio
ASKED = {"max_tokens": 80, "temperature": 0}


async def follows(ours: LLMClient) -> None:
    """The answer is of the type; if the smallest model did not manage, the error has all that came."""
    try:
        answer = await ours.chat("The Baltic, as JSON.", schema=Sea, **ASKED)
    except ParsingError as error:
        failed: ParsingError | None = error
    else:
        failed = None
        assert isinstance(answer.structured_output, Sea)
    if failed is not None:
        assert failed.partial is not None
        assert failed.partial.usage.completion_tokens
        assert len(failed.attempts) == 1


async def test_by_a_forced_tool(server: LiveServer) -> None:
    """In Messages a tool that must be called takes the answer."""
    async with client(server, "anthropic_messages") as ours:
        plan = ours.plan("The Baltic.", schema=Sea, **ASKED)
        assert plan.body is not None
        assert plan.body["tool_choice"]
        await follows(ours)


async def test_by_the_prompt(server: LiveServer) -> None:
    """A table that says so puts the schema into the prompt, and the answer is read from the text."""
    prompted = msgspec.structs.replace(PROVIDER, structured={"": "prompt"})
    async with LLMClient.create(**{**made(server, "openai_chat"), "provider": prompted}) as ours:
        plan = ours.plan("The Baltic.", schema=Sea, **ASKED)
        assert plan.body is not None
        assert "cold" in str(plan.body["messages"])
        assert "json_schema" not in str(plan.body.get("response_format"))
        await follows(ours)
