"""Write scripts/lock.txt anew: one version of every package that development and CI install, for `pip install -c`.

It is resolved with the lowest Python that is supported, since what installs there installs on newer ones as well.
The package's own ranges (pyproject.toml) stay wide; `.ci/versions` tries their two ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "scripts" / "lock.txt"
LOWEST = (3, 11)
HEAD = "# Written by scripts/lock; used by scripts/_env as constraints. Refresh it, run scripts/test, commit both.\n"


def resolve(folder: Path) -> dict[str, str]:
    """The newest versions that fit together, by name: the package, its extras, every dependency group, and pip."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = ",".join(project["project"]["optional-dependencies"])
    groups = [word for group in project["dependency-groups"] for word in ("--group", group)]
    venv.create(folder / "venv", with_pip=True)
    pip = [str(folder / "venv" / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "--upgrade", "pip"], check=True)
    report = folder / "report.json"
    asked = ["--editable", f"{ROOT}[{extras}]", *groups, "pip"]
    subprocess.run([*pip, "--dry-run", "--ignore-installed", "--report", str(report), *asked], check=True, cwd=ROOT)
    found = [item["metadata"] for item in json.loads(report.read_text())["install"]]
    return {item["name"].lower(): item["version"] for item in found if item["name"] != project["project"]["name"]}


def main() -> int:
    """Exit code 1 if this Python is not the lowest one."""
    if sys.version_info[:2] != LOWEST:
        print(f"scripts/lock needs Python {'.'.join(map(str, LOWEST))}: set PYTHON=/path/to/it", file=sys.stderr)
        return 1
    before = LOCK.read_text().splitlines() if LOCK.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        versions = resolve(Path(folder))
    lines = [f"{name}=={version}" for name, version in sorted(versions.items())]
    LOCK.write_text(HEAD + "\n".join(lines) + "\n")
    for line in sorted({*before, *lines}, key=lambda line: line.partition("==")[0]):
        if line not in before or line not in [*lines, HEAD.strip()]:
            print("+" if line in lines else "-", line)
    print(f"{len(lines)} packages locked")
    return 0


if __name__ == "__main__":
    sys.exit(main())
