"""The lock of development: it names every package that is installed, and nothing of the machine it was made on."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LINES = (ROOT / "scripts" / "lock.txt").read_text().splitlines()
LOCKED = dict(line.split("==") for line in LINES if not line.startswith("#"))


def canonical(name: str) -> str:
    """A package's name as indexes compare them."""
    return re.sub(r"[-_.]+", "-", name).lower()


VERSIONS = {canonical(name): version for name, version in LOCKED.items()}


def group(name: str) -> Iterator[str]:
    """The requirements of a dependency group, and of the groups that it includes."""
    for line in PROJECT["dependency-groups"][name]:
        yield from [line] if isinstance(line, str) else group(line["include-group"])


def needed(lines: list[str], seen: set[str], extras: set[str] | None = None) -> Iterator[str]:
    """The packages that the requirements ask for, here and now, and those that these ask for in turn."""
    for requirement in map(Requirement, lines):
        name = canonical(requirement.name)
        if name not in seen and any(_applies(requirement, extra) for extra in extras or {""}):
            seen.add(name)
            yield name
            yield from needed(metadata.requires(name) or [], seen, requirement.extras)


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _installed(line: str) -> bool:
    """Whether it is there: the runs with other versions leave some of the group out."""
    try:
        return bool(metadata.version(Requirement(line).name))
    except metadata.PackageNotFoundError:
        return False


def test_each_line_is_one_version() -> None:
    """A line is a name and a version: no address, no path, no range, each package once."""
    assert [line for line in LINES[1:] if not re.fullmatch(r"[\w.-]+==[\w.+!]+", line)] == []
    assert len(VERSIONS) == len(LINES) - 1


def test_everything_installed_is_locked() -> None:
    """What the development group brings in, directly or by another package, has its line in the lock."""
    asked = [*group("dev"), *PROJECT["project"]["dependencies"]]
    assert set(needed([line for line in asked if _installed(line)], set())) - set(VERSIONS) == set()


@pytest.mark.parametrize("name", PROJECT["dependency-groups"])
def test_the_lock_is_within_the_ranges(name: str) -> None:
    """The locked versions satisfy what pyproject.toml asks for, in every group, the package and its extras."""
    project = PROJECT["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    for requirement in map(Requirement, [*group(name), *project["dependencies"], *extras]):
        assert requirement.specifier.contains(VERSIONS[canonical(requirement.name)], prereleases=True), requirement
