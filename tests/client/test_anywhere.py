"""However the bytes are cut, broken off or corrupted: the same chunks, or a typed error, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterable

import msgspec
import pytest

from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.core.response import ChatResponse, StreamChunk
from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.cuts import cuts

from ..captured import HELLO, Outcome, edited, engine_of, own, read, sample, shared, shown
from ..wire.test_two_readings import ODD, frames, places_in, replaced

STREAMS = [capture for capture in own() if capture.streaming and capture.status < 400]
SHARED = sample([capture for capture in shared() if capture.streaming and capture.status < 400], 60)


def name(capture: Capture) -> str:
    """How a capture is called in a test's name."""
    return f"{capture.provider}-{capture.name}"


def signature(outcome: Outcome) -> tuple[str, str]:
    """What must not depend on the cuts: every chunk, the response or what came of it, the error."""
    return shown(outcome), repr(outcome.error)


def check_cuts(capture: Capture, places: Iterable[int]) -> None:
    """The chunks are the same whole, by frame, by byte, and cut in two at each of `places`."""
    wanted = signature(read(capture))
    for how in ("frames", "bytes"):
        assert signature(read(capture, cuts(capture, how))) == wanted, how
    for place in places:
        assert signature(read(capture, [capture.body[:place], capture.body[place:]])) == wanted, place


Said = tuple[str, str, tuple[str, ...]]
"""Text, reasoning and calls of an answer."""


def said(response: ChatResponse | None) -> Said:
    """What the answer says, as far as it came."""
    if response is None:
        return "", "", ()
    message = response.message
    return message.text, message.reasoning, tuple(f"{call.name}({call.arguments})" for call in message.tool_calls)


def check_truncations(capture: Capture, places: Iterable[int]) -> None:
    """Cut off at each of `places` the answer is an error, or finished with all it says: never a short one.

    What comes before the end is the beginning of what the whole gives.
    """
    whole, finished = read(capture), finished_answers(capture)
    all_text = "".join(chunk.delta for chunk in whole.chunks)
    for place in places:
        found = read(capture, [capture.body[:place]])
        assert all_text.startswith("".join(chunk.delta for chunk in found.chunks)), place
        if found.error is None:
            assert said(found.response) in finished, place
            assert found.chunks[-1].finish_reason is not None, place
        else:
            assert all(chunk.finish_reason is None for chunk in found.chunks), place
            assert found.error.partial is not None, place


def finished_answers(capture: Capture) -> set[Said]:
    """What the answer may say when it ends: all of it, or what had come at its mark of completeness.

    Mistral, Gemini and vLLM send text after the finish reason; no reader of a body that ends there can know of it.
    """
    reader, answers = engine_of(capture).stream(capture.model or "m", HELLO), set[Said]()
    for piece in [*cuts(capture, "frames"), b""]:
        reader.feed(piece) if piece else reader.finish()
        if reader.complete:
            answers.add(said(reader.response()))
    return answers


def check_corruption(capture: Capture, seed: int, number: int) -> None:
    """With bytes changed, left out or put in, reading gives well-formed chunks or a typed error."""
    dice = random.Random(seed)
    for _ in range(number):
        check_well_formed(read(capture, [corrupted(capture.body, dice)]))


def check_odd_values(capture: Capture, seed: int, number: int) -> None:
    """So does a frame in which a value is replaced by one of another type."""
    dice = random.Random(seed)
    payloads = [data for _, data in frames(capture, engine_of(capture).decoder) if data in capture.body]
    for data in dice.choices(payloads, k=number) if payloads else ():
        try:
            value = msgspec.json.decode(data)
        except msgspec.DecodeError:
            continue
        place = dice.choice(list(places_in(value)))
        odd = msgspec.json.encode(replaced(value, place, dice.choice(ODD)))
        check_well_formed(read(edited(capture, lambda body, data=data, odd=odd: body.replace(data, odd, 1))))


def check_well_formed(found: Outcome) -> None:
    """A typed error, or chunks of which the last alone has the finish reason; what they build when asked is there."""
    assert found.error is None or isinstance(found.error, MiiflowLLMError)
    assert all(isinstance(chunk, StreamChunk) for chunk in found.chunks)
    last = [chunk.finish_reason is not None for chunk in found.chunks]
    assert sum(last) == (0 if found.error else 1)
    assert found.error is not None or last[-1]
    for chunk in found.chunks[-1:]:
        assert isinstance(chunk.content + chunk.reasoning, str)
        assert all(call.name is not None for call in chunk.tool_calls)


def corrupted(body: bytes, dice: random.Random) -> bytes:
    """The body with one small damage."""
    at = dice.randrange(len(body))
    new = bytes([dice.choice((0, 10, 13, 34, 44, 92, 123, 125, 255, dice.randrange(256)))])
    damage = dice.randrange(4)
    if damage == 0:
        return body[:at] + new + body[at + 1 :]
    if damage == 1:
        return body[:at] + body[at + 1 :]
    if damage == 2:
        return body[:at] + new + body[at:]
    end = min(len(body), at + dice.randrange(1, 40))
    return body[:at] + body[end:]


EVERY_OFFSET = 800
"""Bodies up to this many bytes are cut at every offset; `scripts/soak --captures` does so with all."""


def some_places(capture: Capture, number: int, every: int = EVERY_OFFSET) -> list[int]:
    """Offsets to cut at: all of a short body; of a long one some, and as many at line ends and inside characters."""
    size = len(capture.body)
    if size <= every:
        return list(range(size + 1))
    dice = random.Random(size)
    delicate = [at for at, byte in enumerate(capture.body) if byte in b"\r\n" or byte >= 0x80]
    chosen = dice.sample(range(size), number) + dice.sample(delicate, min(number, len(delicate)))
    return sorted({0, 1, size - 2, size - 1, size, *chosen})


@pytest.mark.parametrize("capture", STREAMS, ids=name)
def test_any_cut(capture: Capture) -> None:
    """Any cut of the bytes gives the same chunks."""
    check_cuts(capture, some_places(capture, 40))


@pytest.mark.parametrize("capture", STREAMS, ids=name)
def test_any_truncation(capture: Capture) -> None:
    """Any truncation is an error or the finished answer."""
    check_truncations(capture, some_places(capture, 40))


@pytest.mark.parametrize("capture", STREAMS, ids=name)
def test_any_corruption(capture: Capture) -> None:
    """Any corruption gives a typed error or well-formed chunks."""
    check_corruption(capture, seed=len(capture.body), number=40)


@pytest.mark.parametrize("capture", STREAMS, ids=name)
def test_any_odd_value(capture: Capture) -> None:
    """Any value of another type gives a typed error or well-formed chunks."""
    check_odd_values(capture, seed=len(capture.body), number=20)


@pytest.mark.parametrize("capture", SHARED, ids=name)
def test_recorded(capture: Capture) -> None:
    """The same holds for what real providers sent."""
    places = some_places(capture, 8, every=0)
    check_cuts(capture, places)
    check_truncations(capture, places)
    check_corruption(capture, seed=1, number=8)
    check_odd_values(capture, seed=1, number=8)


def test_a_lost_byte_is_seen() -> None:
    """The comparison notices a reader that loses a byte, and a truncation that is called finished."""
    capture = next(one for one in STREAMS if one.key == "openai/text")
    damaged = read(capture, [capture.body.replace(b"climbs", b"climb")])
    assert signature(damaged) != signature(read(capture))
    assert said(damaged.response) not in finished_answers(capture)
