"""Split the paths of the tables (`choices[0].delta.content`) into steps."""

from __future__ import annotations

import re

from ..core.exceptions import ConfigurationError

Step = str | int

_PATH = re.compile(r"([^.\[\]]+)((?:\[\d+\])*)")


def steps(path: str) -> tuple[Step, ...]:
    """The keys and list positions of `path`; empty for `.`, the element itself.

    Raises:
        ConfigurationError: it is not a path.
    """
    if path == ".":
        return ()
    out: list[Step] = []
    for part in path.split("."):
        match = _PATH.fullmatch(part)
        if match is None:
            raise ConfigurationError(
                f"{path!r} is not a path; write keys and positions, as in choices[0].delta.content"
            )
        out.append(match.group(1))
        out.extend(int(number) for number in re.findall(r"\d+", match.group(2)))
    return tuple(out)
