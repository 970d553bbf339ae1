"""Build and check a release, and tag it; `--dry-run` tags nothing.

What must hold: a clean tree, a version that has no tag yet, a changelog with a section of that version that is not
empty, a wheel and an sdist that build from the locked tools, and a wheel that works in an environment of its own.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
WORKS = (
    "import miiflow_llm; from miiflow_llm import LLMClient; "
    "assert LLMClient.create('openai', 'm', 'k').plan('Hello').body['model'] == 'm'; print(miiflow_llm.__version__)"
)


class NotReady(Exception):
    """What is missing, in a sentence."""


def run(*command: str, cwd: Path = ROOT) -> str:
    """What a command printed.

    Raises:
        NotReady: it failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode:
        raise NotReady(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def version() -> str:
    """The version of the package."""
    found = re.search(
        r'^__version__ = "([^"]+)"', (ROOT / "src" / "miiflow_llm" / "_version.py").read_text(), re.MULTILINE
    )
    if found is None:
        raise NotReady("src/miiflow_llm/_version.py names no version")
    return found[1]


def changes(changelog: str, name: str) -> str:
    """The section of a version.

    Raises:
        NotReady: there is none, or it says nothing.
    """
    section = re.search(
        rf"^## \[?{re.escape(name)}(?![\w.])[^\n]*\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    if section is None or not section[1].strip():
        raise NotReady(f"CHANGELOG.md has no section `## {name}`: rename `## Unreleased`, and say what users get")
    return section[1].strip()


def check_wheel(wheel: Path, name: str) -> None:
    """The wheel, installed with nothing of this tree, plans a call and says its version.

    Raises:
        NotReady: it does not.
    """
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel))
        found = run(python, "-W", "error", "-c", WORKS, cwd=Path(folder))
    if found != name:
        raise NotReady(f"the wheel says that it is version {found}, not {name}")


def build(folder: Path) -> tuple[Path, Path]:
    """The wheel and the sdist."""
    run(sys.executable, "-m", "hatchling", "build", "-d", str(folder))
    wheels, sdists = sorted(folder.glob("*.whl")), sorted(folder.glob("*.tar.gz"))
    if len(wheels) != 1 or len(sdists) != 1:
        raise NotReady(f"one wheel and one sdist are expected in {folder}: empty it first")
    return wheels[0], sdists[0]


def main(*arguments: str) -> int:
    """Exit code 1 if something is missing."""
    name = version()
    try:
        if run("git", "status", "--porcelain") and "--dry-run" not in arguments:
            raise NotReady("the tree has changes that are not committed")
        if run("git", "tag", "--list", f"v{name}"):
            raise NotReady(f"v{name} is tagged already: raise the version in src/miiflow_llm/_version.py")
        told = changes((ROOT / "CHANGELOG.md").read_text(), name)
        wheel, sdist = build(ROOT / "dist")
        check_wheel(wheel, name)
        if "--dry-run" not in arguments:
            run("git", "tag", "--annotate", f"v{name}", "--message", f"miiflow_llm {name}\n\n{told}")
    except NotReady as missing:
        print(f"Not released: {missing}", file=sys.stderr)
        return 1
    print(f"{wheel.name} and {sdist.name} are sound. Now: git push origin v{name}, and upload dist/ with twine")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
