"""Measure ours beside the floors and the rivals in one run: interleaved repeats, medians, ratios, a plot."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CACHE = Path(os.environ.get("BENCH_CACHE", ROOT / ".cache" / "bench"))
RIVALS = {
    "openai": ["openai"],
    "anthropic": ["anthropic"],
    "litellm": ["litellm"],
    "pydantic_ai": ["pydantic-ai-slim[openai]"],
    "langchain_openai": ["langchain-openai"],
}


class Case:
    """One situation: so many streams at once of so many chunks, `gap` seconds apart, on a backend, plain or TLS."""

    def __init__(self, name: str, kinds: list[str], streams: int, chunks: int, gap: float, **how: Any) -> None:
        self.name = name
        self.kinds = kinds
        self.streams = streams
        self.chunks = chunks
        self.gap = gap
        self.backend: str = how.get("backend", "asyncio")
        self.tls: bool = how.get("tls", False)
        self.floor: str = how.get("floor", "floor")


def cases(rivals: list[str], quick: bool) -> list[Case]:
    """What is measured."""
    scale = 1 if quick else 3
    burst, paced = 20_000 * scale, 60 * scale
    plain = ["floor", "httpx_bytes", "httpx_sse", "ours", "ours_anthropic", "ours_httpx", *rivals]
    return [
        Case("burst, 1 stream", plain, 1, burst // 4, 0),
        Case("200 streams, paced", plain, 200, paced, 0.02),
        Case("1000 streams, paced", ["floor", "ours"], 1000, 20 * scale, 0.1),
        Case("200 streams, TLS", ["floor", "httpx_bytes", "ours"], 200, paced, 0.02, tls=True),
        Case(
            "200 streams, trio",
            ["floor_trio", "httpx_bytes", "ours"],
            200,
            paced,
            0.02,
            backend="trio",
            floor="floor_trio",
        ),
        Case(
            "200 streams, trio, TLS",
            ["floor_trio", "httpx_bytes", "ours"],
            200,
            paced,
            0.02,
            backend="trio",
            tls=True,
            floor="floor_trio",
        ),
        Case("100 chunks", ["ours"], 50, 100, 0),
        Case("100 000 chunks", ["ours"], 1, 100_000, 0),
    ]


def certificate(folder: Path) -> tuple[str, str, str]:
    """A certificate authority and a certificate for localhost, made on the spot."""
    import trustme

    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    return str(folder / "ca.pem"), str(folder / "cert.pem"), str(folder / "key.pem")


def python_of(kind: str) -> str | None:
    """The interpreter that has the client: ours for our own, an environment of its own for a rival."""
    if kind not in RIVALS:
        return sys.executable
    home = CACHE / kind
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        print(f"installing {kind} ...", file=sys.stderr)
        venv.create(home, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "anyio", *RIVALS[kind]]
        if subprocess.run(install, check=False).returncode:
            print(f"{kind} cannot be installed here: skipped", file=sys.stderr)
            return None
        (home / "ready").touch()
    return str(python)


def measure(kind: str, case: Case, ports: list[int], ca: str) -> dict[str, float] | None:
    """One measurement in a fresh process; `None` where it fails."""
    python = python_of(kind)
    if python is None:
        return None
    host = f"https://localhost:{ports[1]}" if case.tls else f"http://127.0.0.1:{ports[0]}"
    url = f"{host}/{case.chunks}/{case.gap}/v1"
    command = [python, str(HERE / "clients.py"), kind, case.backend, url, str(case.streams), ca if case.tls else ""]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{kind}, {case.name}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def run(chosen: list[Case], ports: list[int], ca: str, repeats: int) -> dict[str, dict[str, dict[str, float]]]:
    """Every case: its clients in turn, again and again, so that a slow moment meets all of them."""
    results: dict[str, dict[str, dict[str, float]]] = {}
    for case in chosen:
        samples: dict[str, list[dict[str, float]]] = {}
        for _ in range(repeats):
            for kind in case.kinds:
                found = measure(kind, case, ports, ca)
                if found is not None:
                    samples.setdefault(kind, []).append(found)
        results[case.name] = {kind: _summary(found) for kind, found in samples.items()}
        base = results[case.name].get(case.floor, {}).get("cpu_us")
        for row in results[case.name].values():
            row["ratio"] = row["cpu_us"] / base if base else float("nan")
        print_case(case.name, results[case.name])
    return results


def _summary(samples: list[dict[str, float]]) -> dict[str, float]:
    costs = [sample["cpu"] / sample["chunks"] * 1e6 for sample in samples]
    return {
        "cpu_us": statistics.median(costs),
        "low": min(costs),
        "high": max(costs),
        "memory_mb": statistics.median(sample["memory"] for sample in samples) / 1024,
        "chunks": samples[0]["chunks"],
    }


def print_case(name: str, rows: dict[str, dict[str, float]]) -> None:
    """A table of one case."""
    print(f"\n{name}\n{'client':20} {'CPU us/chunk':>13} {'min':>8} {'max':>8} {'x floor':>8} {'peak MB':>8}")
    for kind, row in sorted(rows.items(), key=lambda item: item[1]["cpu_us"]):
        print(
            f"{kind:20} {row['cpu_us']:13.2f} {row['low']:8.2f} {row['high']:8.2f} "
            f"{row['ratio']:8.2f} {row['memory_mb']:8.0f}"
        )


def import_times(rivals: list[str]) -> dict[str, float]:
    """Milliseconds to import each, median of seven."""
    names = {"httpx": "httpx", "miiflow_llm": "miiflow_llm", "miiflow_llm.client": "miiflow_llm.client"}
    found = {name: _import_ms(sys.executable, module) for name, module in names.items()}
    for rival in rivals:
        python = python_of(rival)
        if python:
            found[rival] = _import_ms(python, rival)
    print("\nimport, ms: " + ", ".join(f"{name} {ms:.0f}" for name, ms in found.items()))
    return found


def _import_ms(python: str, module: str) -> float:
    code = f"import time; t = time.perf_counter(); import {module}; print((time.perf_counter() - t) * 1000)"
    times = [
        float(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout) for _ in range(7)
    ]
    return statistics.median(times)


def plot(results: dict[str, dict[str, dict[str, float]]], path: Path) -> None:
    """Bars of CPU per chunk, a group a case, as SVG."""
    names = [name for name in ("burst, 1 stream", "200 streams, paced") if name in results]
    lines, y = [], 30
    widest = max(row["cpu_us"] for name in names for row in results[name].values())
    for name in names:
        lines.append(f'<text x="10" y="{y}" font-weight="bold">{name}: CPU per chunk, microseconds</text>')
        y += 12
        for kind, row in sorted(results[name].items(), key=lambda item: item[1]["cpu_us"]):
            width = max(2, row["cpu_us"] / widest * 480)
            fill = "#1f7a5c" if kind.startswith("ours") else "#9aa5b1"
            lines.append(f'<rect x="150" y="{y}" width="{width:.0f}" height="14" fill="{fill}"/>')
            lines.append(f'<text x="144" y="{y + 11}" text-anchor="end">{kind}</text>')
            lines.append(f'<text x="{156 + width:.0f}" y="{y + 11}">{row["cpu_us"]:.1f}</text>')
            y += 19
        y += 26
    style = 'font-family="sans-serif" font-size="11" fill="#52606d"'
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="720" height="{y}" {style}>\n' + "\n".join(lines) + "\n</svg>\n"
    )


def main() -> None:
    """Measure, print, write docs/bench.json and docs/bench.svg."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a third of the work, three repeats")
    parser.add_argument(
        "--rivals", nargs="*", choices=list(RIVALS), default=None, help="all of them where none is named"
    )
    parser.add_argument("--only", help="cases whose name begins so")
    chosen = parser.parse_args()
    rivals = list(RIVALS) if chosen.rivals == [] else chosen.rivals or []
    with tempfile.TemporaryDirectory() as folder:
        ca, cert, key = certificate(Path(folder))
        command = [sys.executable, str(HERE / "server.py"), cert, key]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None  # noqa: S101  it was asked for
            ports = [int(port) for port in server.stdout.readline().split()]
            try:
                todo = [case for case in cases(rivals, chosen.quick) if case.name.startswith(chosen.only or "")]
                results = run(todo, ports, ca, 3 if chosen.quick else 5)
            finally:
                server.terminate()
    imports = import_times(rivals)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, CPython {platform.python_version()}"
    print(f"\n{machine}; medians of repeats in one run, clients in turn; server in its own process")
    if not chosen.only:
        facts = {"machine": machine, "cases": results, "import_ms": imports}
        (ROOT / "docs" / "bench.json").write_text(json.dumps(facts, indent=1) + "\n")
        plot(results, ROOT / "docs" / "bench.svg")


if __name__ == "__main__":
    main()
