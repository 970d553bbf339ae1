"""The agreement table, over our own captures and all shared ones: `python -m tests.oracles.table`."""

from __future__ import annotations

import importlib.util
import sys
import warnings

from ..captured import own, shared
from .agreement import compare
from .explained import reasons, unexplained, vanished
from .sdks import SDKS


def table(sdk: str, captures: str, found: dict[str, dict[str, str]]) -> str:
    """The agreement with one SDK, as text: a count, and each disagreement with its reason."""
    agreed = sum(not fields for fields in found.values())
    return "\n".join([f"{sdk}, {captures}: agrees on {agreed} of {len(found)}", *reasons(sdk, found)])


def disagreements() -> list[str]:
    """Print the table; what no row explains, and the rows that nothing bears out, in words."""
    wrong: list[str] = []
    for sdk, reader in SDKS.items():
        if importlib.util.find_spec(reader.module.partition(".")[0]) is None:
            sys.stdout.write(f"{sdk}: not installed\n")
            continue
        with warnings.catch_warnings(), reader.opened() as ask:
            warnings.simplefilter("ignore")
            mine, theirs = (compare(ask, filter(reader.reads, captures)) for captures in (own(), shared()))
        sys.stdout.write(f"{table(sdk, 'own', mine)}\n{table(sdk, 'shared', theirs)}\n")
        wrong += [f"{sdk}: {key} {fields}" for key, fields in unexplained(sdk, mine | theirs).items()]
        gone = vanished(sdk, mine, shared=False) + (vanished(sdk, theirs, shared=True) if theirs else [])
        wrong += [f"{sdk}: nothing shows {captures} any longer" for captures in gone]
    return wrong


if __name__ == "__main__":
    found = disagreements()
    sys.stdout.write("".join(f"WRONG {words}\n" for words in found))
    raise SystemExit(bool(found))
