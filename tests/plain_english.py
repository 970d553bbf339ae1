"""The tells of riddling English: patterns, and where they stand in prose (docstrings, comments, messages, pages)."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

TELLS = {
    "is no": r"(?<!there )(?<!There )\b(?:is|are|was|were|be) no (?!longer|more|less|need|way|\w+er\b)[A-Za-z`]",
    "is none": r"(?<!there )(?<!There )\b(?:is|are|was|were) none\b",
    "what is no": r"\bwhat (?:is|has|can) n(?:o|ot|one)\b",
    "in, out": r"\bin[,:;] [^.\n]{0,80}\bout\b|\bcomes? in\b[^.\n]{0,60}\bgoe?s? out\b",
    "where for if": (
        r"(?<!from )(?<!to )\bwhere (?:it is|they are|there (?:is|are)|one (?:is|was)|none|nothing|no|an?|any"
        r"|given|asked|needed|missing|installed|set|known|possible|allowed|that is|this is|the caller|a caller)\b"
    ),
    "alone": r"\balone\b",
    "else of all": r"\bof all else\b|\bof two as\b|\bbut for\b",
}
"""What to write instead: docs/inside/style.md."""


def found(text: str) -> Counter[str]:
    """How often each tell stands in a text, whose line breaks do not count."""
    flowing = re.sub(r"\s*\n\s*(?:#\s*)?", " ", text)
    return Counter({name: len(hits) for name, tell in TELLS.items() if (hits := re.findall(tell, flowing))})


def prose(path: Path) -> Iterator[str]:
    """The prose of a file: of Python its texts and comments, of anything else all of it."""
    text = path.read_text()
    if path.suffix != ".py":
        yield text
        return
    yield from (node.value for node in ast.walk(ast.parse(text)) if _is_text(node))
    comments = [
        token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type == tokenize.COMMENT
    ]
    yield "\n".join(token.string.lstrip("# ") for token in comments)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
