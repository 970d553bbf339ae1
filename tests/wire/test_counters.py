"""A counter that is no number of tokens is not reported; the answer is none the worse for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial

import msgspec
import pytest

from miiflow_llm.core.exceptions import StreamProtocolError
from miiflow_llm.core.usage import TokenCount
from miiflow_llm.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from miiflow_llm.dialects.openai_chat import OPENAI_CHAT
from miiflow_llm.replay.capture import Capture
from miiflow_llm.tables.event_words import Each, RuleLike
from miiflow_llm.wire import endpoints
from miiflow_llm.wire.decode.shapes import paths_of

from ..captured import DIALECTS, Outcome, edited, engine_of, facts, own, read

ODD = ("1e400", "-1e400", "-1", str(2**70), "9" * 400, "1e30", '"many"', '"-1"', "true", "[1]", '{"a":1}', "[]")
"""What a counter may be instead of a number of tokens, as it stands on the wire."""

USAGE = re.compile(
    rb'("(?:usage|usageMetadata|prompt_eval_count|eval_count)"\s*:\s*)'
    rb"(\{(?:[^{}]|\{[^{}]*\})*\}|\d+)"
)
"""Where the counters, or the object that holds them, stand in a body."""

REPORTED = [
    capture
    for capture in own()
    if capture.status < 400 and (outcome := read(capture)).error is None and outcome.response and outcome.response.usage
]


def one_of(dialect: str, streaming: bool) -> Capture:
    """The capture of the dialect that reports the most."""
    found = [capture for capture in REPORTED if (capture.dialect, capture.streaming) == (dialect, streaming)]
    return max(found, key=lambda capture: len(present(capture)))


def counters(rules: tuple[RuleLike, ...]) -> Iterator[str]:
    """The keys under which a table's counters stand."""
    for rule in rules:
        if isinstance(rule, Each):
            yield from counters(rule.rules)
        elif rule.kind == "usage":
            for value in rule.fields.values():
                yield from (path.rpartition(".")[2] for path in paths_of(value))


def number(key: str) -> re.Pattern[bytes]:
    """A counter where it stands in a body."""
    return re.compile(rb'("%s"\s*:\s*)(\d+)(?=\s*[,}])' % key.encode())


def present(capture: Capture) -> list[str]:
    """The counters' keys that the capture has."""
    dialect = engine_of(capture).dialect
    keys = dict.fromkeys(counters(dialect.events if capture.streaming else dialect.whole))
    return [key for key in keys if number(key).search(capture.body)]


CASES = [
    pytest.param(one_of(dialect, streaming), odd, id=f"{dialect}-{'streamed' if streaming else 'whole'}-{odd[:9]}")
    for dialect in DIALECTS
    for streaming in (True, False)
    for odd in ODD
]


@pytest.mark.parametrize(("capture", "odd"), CASES)
def test_an_odd_counter_is_lost_alone(capture: Capture, odd: str) -> None:
    """Text, finish reason and the other counters are those of the answer without it; what needs it is `None`."""
    wanted, lost = read(capture), set[str]()
    for key in present(capture):
        found = read(edited(capture, partial(number(key).sub, rb"\g<1>" + odd.encode())))
        assert spoken(found) == spoken(wanted), key
        lost |= changed(usage_of(found), usage_of(wanted), key)
    assert lost


def spoken(outcome: Outcome) -> dict[str, object]:
    """What the answer says and how it ended, without its counts."""
    return {name: value for name, value in facts(outcome).items() if name != "usage"}


def usage_of(outcome: Outcome) -> TokenCount:
    """The counts of a finished answer."""
    assert outcome.response is not None
    return outcome.response.usage


def changed(found: TokenCount, wanted: TokenCount, key: str) -> set[str]:
    """The counts that are lost; none may be another number, but a total may be the sum of what is left."""
    pairs = {name: (getattr(found, name), getattr(wanted, name)) for name in TokenCount.__struct_fields__}
    summed = (found.prompt_tokens or 0) + (found.completion_tokens or 0)
    for name, (mine, theirs) in pairs.items():
        allowed = (theirs, None, summed) if name == "total_tokens" else (theirs, None)
        assert mine in allowed, (key, name)
    return {name for name, (mine, theirs) in pairs.items() if mine != theirs}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("odd", ["1e400", "7", '"none"', "[]", "null", "true"])
def test_usage_that_is_no_object_is_not_reported(dialect: str, streaming: bool, odd: str) -> None:
    """Whatever stands where the counters' object was: the text is there, and no count."""
    capture = one_of(dialect, streaming)
    assert USAGE.search(capture.body)
    found = read(edited(capture, partial(USAGE.sub, rb"\g<1>" + odd.encode())))
    assert spoken(found) == spoken(read(capture))
    if dialect != "ollama_chat" or odd != "7":
        assert not usage_of(found)


def test_a_number_as_text_counts() -> None:
    """Some gateways quote their numbers."""
    capture = one_of("openai_chat", True)
    body = re.sub(rb'("\w+_tokens"\s*:\s*)(\d+)', rb'\1"\2"', capture.body)
    assert body != capture.body
    assert facts(read(msgspec.structs.replace(capture, body=body))) == facts(read(capture))


def test_a_lost_part_is_no_smaller_sum() -> None:
    """A count that is the sum of several is not given as the sum of those that are left."""
    usage = {"input_tokens": 1e400, "cache_read_input_tokens": 5, "output_tokens": 2}
    body = {"id": "m", "type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hi"}]}
    payload = json.dumps({**body, "stop_reason": "end_turn", "usage": usage}).replace("Infinity", "1e400")
    capture = msgspec.structs.replace(one_of("anthropic_messages", False), body=payload.encode())
    assert usage_of(read(capture)) == TokenCount(completion_tokens=2, cache_read_tokens=5)


@pytest.mark.parametrize("odd", ODD)
def test_vectors_are_not_lost_over_a_counter(odd: str) -> None:
    """An embedding whose tokens are no number has no tokens; a count of tokens that is none is an error."""
    body = b'{"data":[{"embedding":[1.5]}],"usage":{"prompt_tokens":%b}}' % odd.encode()
    found = endpoints.read_embeddings(OPENAI_CHAT.embeddings, body, "m", ["Hi"])
    assert (found.vectors, found.usage) == ([[1.5]], TokenCount())
    with pytest.raises(StreamProtocolError, match="input_tokens"):
        endpoints.read_tokens(ANTHROPIC_MESSAGES.token_count, b'{"input_tokens":%b}' % odd.encode())
