"""Run the quick tests with the lowest or the newest versions that pyproject.toml allows.

`python .ci/versions.py lowest|newest [pytest's arguments]`, from .venv. Each has an environment of its own in .cache.
Lowest: the exit code is pytest's. Newest: what fails is told as a warning, with the versions that differ from the lock:
they may be of today, and no change of ours made it fail; so it is never red.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCK = ROOT / "scripts" / "lock.txt"

BESIDE_THE_LOWEST = {
    "click": "8.1.7",  # what typer of its time was made for: with click 8.2 and later its help fails
    "opentelemetry-sdk": "1.30.0",  # goes with the API of the same number
    "trio": "0.31.0",  # no dependency: a caller brings it
}
FOLLOW = {"importlib-metadata", "markdown-it-py", "mdurl", "opentelemetry-semantic-conventions", "starlette", "zipp"}
"""Packages that take the version that fits the lowest ones, and not the locked one."""
OLD = ("-W", "ignore:unclosed:ResourceWarning", "--deselect", "tests/test_lock.py")
"""Before 4.16 anyio leaves the socket to the garbage collector if a task is cancelled as it has just connected."""


def canonical(name: str) -> str:
    """A package's name as indexes compare them."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(lines: list[str]) -> dict[str, str]:
    """The versions in lines of `name==version`, by name."""
    pairs = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {canonical(name): version for name, version in pairs}


def lowest() -> dict[str, str]:
    """The lower end of each range of the package and its extras, the lock for everything else."""
    asked = [*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)]
    floors = dict[str, str]()
    for requirement in map(Requirement, asked):
        floors[canonical(requirement.name)] = next(one.version for one in requirement.specifier if one.operator == ">=")
    locked = {name: version for name, version in pinned(LOCK.read_text().splitlines()).items() if name not in FOLLOW}
    return {**locked, **floors, **BESIDE_THE_LOWEST}


def make(folder: Path, versions: dict[str, str]) -> int:
    """An environment with the package, its extras and the tests' group, within `versions`; pip's exit code."""
    constraints = folder.with_suffix(".txt")
    folder.parent.mkdir(exist_ok=True)
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in sorted(versions.items())))
    venv.create(folder, clear=True, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--upgrade", "pip", "hatchling", "--constraint", str(LOCK)], check=True)
    asked = ["--no-build-isolation", "--editable", f".[{','.join(EXTRAS)}]", "--group", "test"]
    return subprocess.run([*pip, *asked, "--constraint", str(constraints)], check=False, cwd=ROOT).returncode


def installed(folder: Path) -> dict[str, str]:
    """What is in an environment."""
    listed = [str(folder / "bin" / "python"), "-m", "pip", "list", "--format=json", "--disable-pip-version-check"]
    found = json.loads(subprocess.run(listed, check=True, capture_output=True, text=True).stdout)
    return {canonical(item["name"]): item["version"] for item in found}


def differing(folder: Path) -> str:
    """The versions that are not the locked ones, in words."""
    locked = pinned(LOCK.read_text().splitlines())
    pairs = [(name, locked[name], version) for name, version in installed(folder).items() if name in locked]
    return ", ".join(f"{name} {version} (locked: {lock})" for name, lock, version in pairs if version != lock)


def tests(folder: Path, options: list[str]) -> int:
    """Pytest's exit code."""
    workers = os.environ.get("TEST_WORKERS", "2")
    command = [str(folder / "bin" / "python"), "-m", "pytest", "-q", "-r", "fE", "-n", workers, "--quick", *options]
    return subprocess.run(command, check=False, cwd=ROOT).returncode


def warn(words: str) -> None:
    """A warning, in GitHub's form on GitHub."""
    print(f"{'::warning::' if 'GITHUB_ACTIONS' in os.environ else 'WARNING: '}{words}", flush=True)


def main(which: str, *options: str) -> int:
    """The exit code."""
    folder = ROOT / ".cache" / which
    if make(folder, lowest() if which == "lowest" else {}):
        if which == "lowest":
            return 1
        warn("the newest versions cannot be installed together: pip says above why")
        return 0
    others = differing(folder)
    if which == "newest" and not others:
        print("The newest versions are the locked ones: nothing more to try", flush=True)
        return 0
    print(f"With the {which} versions: {others}", flush=True)
    if which == "lowest":
        options = (*OLD, *options)
    code = tests(folder, list(options))
    if code and which == "newest":
        warn(f"tests fail with the newest versions: {others}")
        return 0
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
