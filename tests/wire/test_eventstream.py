"""AWS's binary event stream: messages one by one, however they are cut, and every way in which they can be wrong."""

from __future__ import annotations

import tracemalloc
from zlib import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miiflow_llm.core.exceptions import StreamProtocolError
from miiflow_llm.replay.eventstream import ends, event, exception, message, resealed
from miiflow_llm.wire.decode.eventstream import BrokenStreamError, EventStreamFramer
from miiflow_llm.wire.decode.frames import Frame

TEXT = event("contentBlockDelta", {"delta": {"text": "Kèlp"}})
STOP = event("messageStop", {"stopReason": "end_turn"})


def frames(*pieces: bytes, most: int = 1 << 20) -> list[Frame]:
    """The frames of a stream that comes in these pieces."""
    framer = EventStreamFramer(most)
    return [frame for piece in pieces for frame in framer.feed(piece)] + framer.finish()


def broken(data: bytes, *, most: int = 1 << 20) -> BrokenStreamError:
    """What is raised for the bytes."""
    with pytest.raises(BrokenStreamError) as caught:
        frames(data, most=most)
    return caught.value


def test_an_event_is_its_name_and_its_payload() -> None:
    """The payload comes as it stands in the message, the name out of the headers."""
    assert frames(TEXT + STOP) == [
        Frame(b'{"delta":{"text":"K\xc3\xa8lp"}}', "contentBlockDelta"),
        Frame(b'{"stopReason":"end_turn"}', "messageStop"),
    ]


def test_a_message_without_headers_or_payload() -> None:
    """A message without a name has none, and one without a payload is no frame."""
    assert frames(message(b"{}", {})) == [Frame(b"{}")]
    assert frames(message(b"", {":message-type": "event", ":event-type": "ping"})) == []


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b'{"message":"Slow down"}', {"message": "Slow down", "__type": "throttlingException"}),
        (b"Slow down", {"message": "Slow down", "__type": "throttlingException"}),
        (b"[1]", {"message": "[1]", "__type": "throttlingException"}),
        (b"\xff", {"message": "\ufffd", "__type": "throttlingException"}),
        (b"", {"__type": "throttlingException"}),
        (b'{"__type":"other"}', {"__type": "throttlingException"}),
    ],
)
def test_an_exception_has_its_type_in_its_payload(payload: bytes, said: dict[str, str]) -> None:
    """Whatever the payload is, the type that the headers say is in it."""
    headers = {":message-type": "exception", ":exception-type": "throttlingException"}
    (frame,) = frames(message(payload, headers))
    assert frame.event == "throttlingException"
    assert msgspec.json.decode(frame.data) == said


def test_an_error_says_all_in_its_headers() -> None:
    """Of a message of type error the code and the words are the payload."""
    headers = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "Out"}
    (frame,) = frames(message(b"", headers))
    assert msgspec.json.decode(frame.data) == {"__type": "InternalFailure", "message": "Out"}


@given(st.lists(st.tuples(st.text(min_size=1, max_size=9), st.text(max_size=40)), min_size=1, max_size=6), st.data())
def test_any_cut_gives_the_same_frames(said: list[tuple[str, str]], data: st.DataObject) -> None:
    """However the bytes are cut, each message comes once, in order."""
    body = b"".join(event(name, words) for name, words in said)
    places = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    pieces = [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]
    wanted = [Frame(msgspec.json.encode(words), name) for name, words in said]
    assert frames(*pieces) == wanted
    assert frames(*(body[at : at + 1] for at in range(len(body)))) == wanted


def test_a_message_without_its_end_is_no_frame() -> None:
    """Cut anywhere, a stream gives the messages that are whole and nothing else."""
    for place in range(len(STOP)):
        assert frames(TEXT + STOP[:place]) == frames(TEXT)


def test_every_bit_is_covered_by_a_checksum() -> None:
    """A stream in which any one bit is another is never taken for a right one."""
    for bit in range(len(STOP) * 8):
        changed = bytearray(STOP)
        changed[bit // 8] ^= 1 << bit % 8
        found = broken(TEXT + bytes(changed) + TEXT)
        assert found.frames == frames(TEXT)
        assert isinstance(found.error, StreamProtocolError)
        assert "not an AWS event stream" in found.error.message


def lying(total: int, headers: int, size: int = 64) -> bytes:
    """A message that says these lengths, under right checksums."""
    prelude = total.to_bytes(4) + headers.to_bytes(4)
    prelude += crc32(prelude).to_bytes(4)
    rest = prelude + bytes(size - 16)
    return rest + crc32(rest).to_bytes(4)


@pytest.mark.parametrize("total", [0, 8, 15])
def test_a_message_has_room_for_its_frame(total: int) -> None:
    """A length that not even prelude and checksum have is refused, and waited for by nobody."""
    data = lying(total, 0, 16)
    assert "says that 0 are headers" in broken(data).error.message


def test_headers_have_room_in_their_message() -> None:
    """Headers longer than the message are refused."""
    assert "a message of 64 bytes says that 49 are headers" in broken(lying(64, 49)).error.message


@pytest.mark.parametrize(
    "block",
    [
        b"\x05name",
        b"\x04name",
        b"\x04name\x07",
        b"\x04name\x07\x00",
        b"\x04name\x07\x00\x05four",
        b"\x04name\x06\xff\xff",
        b"\x04name\x04\x00",
        b"\x04name\x0a",
        b"\xff",
    ],
)
def test_headers_that_cannot_be_read(block: bytes) -> None:
    """Headers that end too early, or are of a type that there is not, break the stream."""
    data = resealed((16 + len(block)).to_bytes(4) + len(block).to_bytes(4) + bytes(4) + block + bytes(4))
    assert "headers" in broken(data).error.message


def test_size_is_known_before_it_is_spent() -> None:
    """A message above the limit is refused by its prelude, before anything is kept for it."""
    big = message(b"x" * 5000, {})
    assert len(frames(big, most=len(big))) == 1
    assert "larger than" in broken(big[:12], most=len(big) - 1).error.message
    framer = EventStreamFramer()
    tracemalloc.start()
    assert framer.feed(lying(1 << 25, 0)[:12]) == []
    now = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert now < 1 << 16


def test_each_byte_is_kept_once() -> None:
    """A large message in tiny pieces costs the bytes of it, and nothing is left of it afterwards."""
    big, framer = message(b"x" * (1 << 20), {}), EventStreamFramer()
    tracemalloc.start()
    found = [frame for at in range(0, len(big), 997) for frame in framer.feed(big[at : at + 997])]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [len(frame.data) for frame in found] == [1 << 20]
    assert peak < 5 << 20


def test_a_message_is_looked_at_when_it_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pieces are kept and not looked through at each: the work grows with the bytes, not with their square."""
    looked: list[int] = []
    end = EventStreamFramer._end
    monkeypatch.setattr(EventStreamFramer, "_end", lambda *given: looked.append(1) or end(*given))
    body = message(b"x" * 5000, {}) + TEXT
    assert len(frames(*(body[at : at + 1] for at in range(len(body))))) == 2
    assert len(looked) < 12


def test_headers_are_remembered_within_bounds() -> None:
    """A server that gives every message other headers does not fill the memory with them."""
    framer = EventStreamFramer()
    for number in range(500):
        framer.feed(event(f"event{number}", {}))
    assert len(framer._kinds) <= 32


def test_sealed_anew() -> None:
    """Bytes replaced by as many others make a stream again, but for a message that is cut."""
    body = TEXT + exception("throttlingException", {"message": "abc"}) + STOP[:-3]
    assert resealed(body) == body
    changed = body.replace(b"abc", b"xyz")
    assert broken(changed).frames == frames(TEXT)
    assert msgspec.json.decode(frames(resealed(changed))[1].data)["message"] == "xyz"
    assert list(ends(body))[-1] == len(body) + 3
