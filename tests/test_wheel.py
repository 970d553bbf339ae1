"""What is installed: the wheel as it is built from this tree."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from miiflow_llm import __version__

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "miiflow_llm"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel."""
    builders = pytest.importorskip("hatchling.builders.wheel")
    folder = tmp_path_factory.mktemp("wheel")
    return Path(next(builders.WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])))


def test_the_package_is_whole(wheel: Path) -> None:
    """Every file of the package is in it, the page, the JavaScript module and the types' marker too; nothing else."""
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = {path.relative_to(SOURCE.parent).as_posix() for path in SOURCE.rglob("*") if path.is_file()}
    assert packed == {name for name in files if "__pycache__" not in name}
    assert {"py.typed", "web/static/index.html", "web/static/miiflow-llm.js", "web/static/miiflow-llm.d.ts"} <= {
        name.removeprefix("miiflow_llm/") for name in packed
    }


def test_entry_points_and_extras(wheel: Path) -> None:
    """The command, the pytest plugin and the extras are declared."""
    with zipfile.ZipFile(wheel) as archive:
        texts = {
            name.rpartition("/")[2]: archive.read(name).decode() for name in archive.namelist() if "-info/" in name
        }
    assert "miiflow-llm = miiflow_llm.cli:main" in texts["entry_points.txt"]
    assert "miiflow_llm = miiflow_llm.replay.pytest_plugin" in texts["entry_points.txt"]
    extras = {line.partition(": ")[2] for line in texts["METADATA"].splitlines() if line.startswith("Provides-Extra")}
    assert extras == set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    assert "LICENSE" in texts


def test_all_is_all() -> None:
    """The extra `[all]` has what the others have, and each name of the front door can be imported."""
    import miiflow_llm

    extras = dict(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    whole = extras.pop("all")
    assert whole == sorted({line for lines in extras.values() for line in lines})
    assert set(miiflow_llm.__all__) <= set(dir(miiflow_llm))
    assert all(getattr(miiflow_llm, name) is not None for name in miiflow_llm.__all__)


def test_it_is_enough(wheel: Path, tmp_path: Path) -> None:
    """The client works and the page is found with nothing beside the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import miiflow_llm\n"
        "from miiflow_llm.web.assets import asset\n"
        f"assert miiflow_llm.__file__.startswith({str(tmp_path)!r}), miiflow_llm.__file__\n"
        "assert all(asset(path).status == 200 for path in ('/', '/miiflow-llm.js', '/miiflow-llm.d.ts'))\n"
        "print(miiflow_llm.LLMClient.create('openai', 'm', 'k').plan('Hello').url)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "https://api.openai.com/v1/chat/completions\n", done.stderr


def test_a_release_needs_its_changes() -> None:
    """The changelog's section of the version is found, and one that is missing, empty or of another version is not."""
    spec = importlib.util.spec_from_file_location("release", ROOT / "scripts" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    release = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(release)
    changelog = "# Changelog\n\n## 1.1.0 (today)\n\n- More.\n\n## 1.0.0\n\n### Added\n\n- All.\n\n## [0.9]\n"
    assert release.changes(changelog, "1.1.0") == "- More."
    assert release.changes(changelog, "1.0.0") == "### Added\n\n- All."
    for name in ("0.9", "1.0", "2.0.0"):
        with pytest.raises(release.NotReady, match="has no section"):
            release.changes(changelog, name)
    assert release.version() == __version__
