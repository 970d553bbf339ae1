"""Run the real litellm and LangChain beside the real router, on loopback, in real time.

They live in `.cache/rivals-routing`, made by `python -m venv .cache/rivals-routing` and
`.cache/rivals-routing/bin/pip install litellm langchain-openai`; who is not installed is left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from caller import LIMIT, RATE, WAYS
from servers import Servers

HERE = Path(__file__).parent
RIVALS = HERE.parents[1] / ".cache" / "rivals-routing" / "bin" / "python"
SECONDS = 60.0


def show() -> None:
    """Each way under each fault: percent served in the fault's 20 s, times of those calls, and who was asked."""
    print(f"\nOn loopback, {RATE:g} calls a second, limit {LIMIT:g} s; the favourite of four fails from 20 to 40 s")
    servers = Servers()
    for fault in ("503", "silent"):
        for way in WAYS:
            rows = measured(servers, way, fault)
            if rows is None:
                print(f"  {fault:7} {way:32} not installed")
                continue
            inside = [row for row in rows if 20 <= row[0] < 40]
            served = sorted(seconds for _, fine, seconds in inside if fine)
            p50, p99 = (served[min(int(share * len(served)), len(served) - 1)] for share in (0.5, 0.99))
            print(
                f"  {fault:7} {way:32} {100 * len(served) / len(inside):6.2f} % of {len(inside)} served, "
                f"p50 {p50:.2f} s, p99 {p99:.2f} s; asked {servers.asked}"
            )


def measured(servers: Servers, way: str, fault: str) -> list[tuple[float, bool, float]] | None:
    """The calls of a way: when, whether served, how long; `None` if it is not installed."""
    python = sys.executable if way.startswith("miiflow") else str(RIVALS)
    if not Path(python).exists():
        return None
    command = [python, str(HERE / "caller.py"), way, str(SECONDS), *servers.urls]
    servers.fail("")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None  # noqa: S101  it is a pipe
        for line in process.stdout:
            if line.strip() == "ready":
                break
        else:
            return None
        servers.fail(fault)
        return [tuple(json.loads(line)) for line in process.stdout if line.startswith("[")]
