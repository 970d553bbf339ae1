"""Take the code out of an answer that is written in Markdown."""

from __future__ import annotations

from markdown_it import MarkdownIt


def code_of(text: str, *, last: bool = False) -> str:
    """The first code block of the text, or the last; the whole text if it has none."""
    blocks = [token.content for token in MarkdownIt("commonmark").parse(text) if token.type == "fence"]
    return blocks[-1 if last else 0] if blocks else text
