"""The seam between two answers, by itself: whatever is repeated, and however it is cut, each character comes once."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import example, given

from miiflow_llm.routing.seam import Seam

TEXT = st.text(alphabet=" \nab\u0301é😀", max_size=12)


def joined(seam: Seam, pieces: list[str]) -> str:
    """What the reader gets of a reply in pieces; the last one ends it."""
    out = [seam.new(piece) for piece in pieces]
    return "".join(out) + seam.new("", ends=True)


@st.composite
def cut(draw: st.DrawFn, text: str) -> list[str]:
    """The text in pieces, empty ones among them."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=7)))
    return [text[one:other] for one, other in zip([0, *places], [*places, len(text)], strict=True)]


@given(TEXT, TEXT, st.data())
def test_a_repeated_beginning_is_cut_off(shown: str, rest: str, data: st.DataObject) -> None:
    """All of it, with the white space at its end."""
    words = shown.rstrip()
    seam = Seam(words, shown[len(words) :])
    assert joined(seam, data.draw(cut(shown + rest))) == rest


@given(TEXT, TEXT, st.data())
def test_a_repeated_beginning_without_its_white_space(shown: str, rest: str, data: st.DataObject) -> None:
    """A server may have stripped it: what comes in its place comes in its place."""
    words = shown.rstrip()
    seam = Seam(words, shown[len(words) :])
    assert joined(seam, data.draw(cut(words + "c" + rest))) == "c" + rest


@given(TEXT, st.data())
def test_a_reply_that_repeats_nothing_is_whole(rest: str, data: st.DataObject) -> None:
    """A reply that begins otherwise lost nothing, however alike its first letters are."""
    assert joined(Seam("abba", ""), data.draw(cut("abbc" + rest))) == "abbc" + rest


@given(st.text(" \n\t", max_size=4), TEXT, st.data())
@example(" ", "", None)
def test_white_space_comes_once(space: str, rest: str, data: st.DataObject | None) -> None:
    """White space that was shown is not shown again; what differs from it is."""
    reply = space + "w" + rest
    assert joined(Seam("", space), data.draw(cut(reply)) if data is not None else [reply]) == "w" + rest
    assert joined(Seam("", space), ["w" + rest]) == "w" + rest


def test_what_is_cut_is_counted() -> None:
    """Also what is held, since it may be part of what is repeated."""
    seam = Seam("Hello", " ")
    assert seam.new("Hel") == ""
    assert seam.cut == 3
    assert seam.new("lo") == ""
    assert seam.new(" wor") == "wor"
    assert seam.cut == 6
    assert seam.new("ld") == "ld"
    assert Seam("Hello", "").new("Hel", ends=True) == ""
