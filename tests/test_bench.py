"""The bench measures what it says: every kind of measure runs, every table can be shown, ratios pair rounds."""

from __future__ import annotations

import importlib
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

FOLDER = Path(__file__).parent.parent / "scripts" / "_bench"
NAMES = ("cases", "crew", "goals", "plot", "report", "results")
TINY = {"streams": 3, "chunks": 6, "gap": 1, "requests": 3, "total": 1}
MEASURES = [
    ("asyncio", "burst"),
    ("asyncio", "burst, TLS"),
    ("asyncio", "burst, Anthropic"),
    ("asyncio", "length"),
    ("asyncio", "hold"),
    ("asyncio", "first"),
    ("asyncio", "lag"),
    ("asyncio", "idle"),
    ("asyncio", "memory"),
    ("trio", "200 calls anew, trio"),
]


@pytest.fixture(scope="module")
def bench() -> Iterator[SimpleNamespace]:
    """The bench's modules; they stand in a folder of scripts, under short names, which no other test may meet."""
    before = set(sys.modules)
    sys.path.insert(0, str(FOLDER))
    found: dict[str, ModuleType] = {name: importlib.import_module(name) for name in NAMES}
    yield SimpleNamespace(**found)
    sys.path.remove(str(FOLDER))
    for name in set(sys.modules) - before:
        if str(FOLDER) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


@pytest.fixture(scope="module")
def server(bench: SimpleNamespace) -> Iterator[Any]:
    """The bench's provider."""
    with bench.crew.Server() as running:
        yield running


def case_of(bench: SimpleNamespace, name: str) -> object:
    """The case of this name."""
    return next(case for case in bench.cases.cases([]) if case.name == name)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_measures(bench: SimpleNamespace, server: Any, backend: str) -> None:
    """Each measure gives the figures that its table shows, for a client that handed out every text that was sent."""
    with bench.crew.workers(["ours"], backend, server) as (started, missing):
        assert not missing
        for case in (case_of(bench, name) for of, name in MEASURES if of == backend):
            order = {name: TINY.get(name, value) for name, value in case.order_for("ours").items()}
            sample = started["ours"].measure(case.measure, **order)
            result = bench.results.Result(case, {"ours": [sample], case.floor: [sample]})
            assert sum(line.startswith("ours") for line in bench.report.table(result).splitlines()) == 1


def test_client_that_fails(bench: SimpleNamespace, server: Any) -> None:
    """A client that cannot do what is asked is left out with its own words, and the others go on."""
    with bench.crew.workers(["floor"], "trio", server) as (started, _):
        with pytest.raises(bench.crew.Failed, match="no running event loop"):
            started["floor"].measure("first", requests=1)


def test_ratio(bench: SimpleNamespace) -> None:
    """A ratio is the median of those within each round: a round that is slow for all changes nothing."""
    samples = {
        "ours": [{"chunk_us": value} for value in (3.0, 30.0, 4.0)],
        "floor": [{"chunk_us": value} for value in (2.0, 20.0, 1.0)],
    }
    result = bench.results.Result(case_of(bench, "burst"), samples)
    assert result.ratio("ours", "floor", "chunk_us") == (1.5, 1.5, 4.0)


@pytest.mark.parametrize(
    ("floor", "verdict"), [((1.0,) * 4, "MISSED"), ((3.0,) * 4, "met"), ((2.0, 2.0, 2.0, 1.2), "met, within the noise")]
)
def test_verdict(bench: SimpleNamespace, floor: tuple[float, ...], verdict: str) -> None:
    """A goal is met by the median; where the quartiles lie on both sides of the limit, that is said."""
    samples = {"ours": [{"chunk_us": 4.0}] * 4, "floor": [{"chunk_us": value} for value in floor]}
    judged = bench.goals.judged({"burst": bench.results.Result(case_of(bench, "burst"), samples)})
    assert [one.verdict for one in judged] == [verdict]


def test_goal_of_client_left_out(bench: SimpleNamespace) -> None:
    """A goal whose rival was left out is not judged."""
    result = bench.results.Result(case_of(bench, "200 streams"), {"ours": [{"chunk_us": 4.0}]})
    assert not bench.goals.judged({"200 streams": result})


def test_plot(bench: SimpleNamespace, tmp_path: Path) -> None:
    """The picture is well-formed, and names each client once in each panel."""
    samples = {"ours": [{"chunk_us": 3.0}], "floor": [{"chunk_us": 1.5}], "litellm": [{"chunk_us": 300.0}]}
    results = {name: bench.results.Result(case_of(bench, name), samples) for name in ("burst", "200 streams")}
    bench.plot.draw(results, tmp_path / "bench.svg")
    words = [node.text for node in ET.parse(tmp_path / "bench.svg").iter("{http://www.w3.org/2000/svg}text")]
    assert [words.count(name) for name in ("miiflow_llm", "raw socket + msgspec", "litellm")] == [2, 2, 2]
