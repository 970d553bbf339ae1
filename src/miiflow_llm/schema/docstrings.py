"""What a docstring says: its summary, and a description for each parameter, in Google's, NumPy's or Sphinx's style."""

from __future__ import annotations

import re

_SPHINX = re.compile(r":param(?:\s+[^:]*?)?\s+(\w+):\s*(.*)")
_GOOGLE = re.compile(r"(\w+)\s*(?:\([^)]*\))?:\s*(.*)")
_NUMPY = re.compile(r"(\w+)\s*:.*|(\w+)$")
_GOOGLE_HEAD = re.compile(r"(Args|Arguments|Parameters):$")
_SECTION = re.compile(r"(?:Args|Arguments|Parameters|Returns?|Raises|Yields|Examples?|Notes?):?$")


def described(doc: str) -> tuple[str, dict[str, str]]:
    """The text above the first section, and the parameters' descriptions by name."""
    lines = doc.splitlines()
    return _summary(lines), {**_sphinx(lines), **_google(lines), **_numpy(lines)}


def _summary(lines: list[str]) -> str:
    kept: list[str] = []
    for line in lines:
        if _SECTION.fullmatch(line.strip()) or line.lstrip().startswith(":"):
            break
        kept.append(line.strip())
    paragraphs = "\n".join(kept).strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _sphinx(lines: list[str]) -> dict[str, str]:
    """`:param name: words`; words go on in lines that are indented further."""
    out: dict[str, str] = {}
    name, begun = "", 0
    for line in lines:
        match = _SPHINX.match(line.strip())
        if match:
            name, begun = match.group(1), _indent(line)
            out[name] = match.group(2).strip()
        elif name and line.strip() and _indent(line) > begun:
            out[name] = f"{out[name]} {line.strip()}".strip()
        else:
            name = ""
    return out


def _google(lines: list[str]) -> dict[str, str]:
    """Indented `name: words` under `Args:`; words go on in lines indented further."""
    head = next((at for at, line in enumerate(lines) if _GOOGLE_HEAD.fullmatch(line.strip())), len(lines))
    out: dict[str, str] = {}
    name, entries = "", 0
    for line in lines[head + 1 :]:
        here = _indent(line)
        if line.strip() and here <= _indent(lines[head]):
            break
        match = _GOOGLE.fullmatch(line.strip()) if not name or here <= entries else None
        if match:
            name, entries = match.group(1), here
            out[name] = match.group(2).strip()
        elif name and line.strip():
            out[name] = f"{out[name]} {line.strip()}".strip()
    return out


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _numpy(lines: list[str]) -> dict[str, str]:
    """`name : type` under an underlined `Parameters`, the words indented below."""
    out: dict[str, str] = {}
    start = next((at + 2 for at in range(len(lines) - 1) if _is_numpy_head(lines, at)), len(lines))
    name = ""
    for at in range(start, len(lines)):
        line = lines[at]
        if at + 1 < len(lines) and set(lines[at + 1].strip()) == {"-"}:
            break
        match = _NUMPY.fullmatch(line) if line and not line[0].isspace() else None
        if match:
            name = match.group(1) or match.group(2)
        elif name and line.strip():
            out[name] = f"{out.get(name, '')} {line.strip()}".strip()
    return out


def _is_numpy_head(lines: list[str], at: int) -> bool:
    return lines[at].strip() == "Parameters" and set(lines[at + 1].strip()) == {"-"}
