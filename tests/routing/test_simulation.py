"""The simulation: faults played in virtual time reach the goals, and the real router does the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from miiflow_llm.choosing.health import failed, first_output
from miiflow_llm.choosing.hedge import cut_at, hedge_at
from miiflow_llm.choosing.moves import row_of
from miiflow_llm.choosing.settings import Settings
from miiflow_llm.choosing.table import Entry, Table
from miiflow_llm.core.exceptions import ConfigurationError, TimeoutError
from miiflow_llm.replay import run_virtual
from miiflow_llm.routing.simulation.conversations import bill
from miiflow_llm.routing.simulation.play import Play
from miiflow_llm.routing.simulation.real import really_played
from miiflow_llm.routing.simulation.rows import Row, markdown, played
from miiflow_llm.routing.simulation.ways import WAYS, router
from miiflow_llm.routing.simulation.world import of_toml, the_ten

ROOT = Path(__file__).parents[2]
SINGLE = [name.name for name in the_ten() if name.name.startswith("A ") and " and " not in name.name]


def of(rows: list[Row], world: str, way: str = "router") -> Row:
    """The row of a world and a way."""
    return next(row for row in rows if (row.world, row.way) == (world, way))


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """The ten faults, 400 s each: those of the fault are long beside the seconds in which it is noticed."""
    worlds = the_ten(30.0, 400.0)
    without = [played(world, "router without hedging") for world in worlds if world.name in ("calm", "A silent")]
    return [*(played(world, "router") for world in worlds), *without]


@pytest.mark.slow
def test_the_goals(rows: list[Row]) -> None:
    """Everything is served under the faults of one target; hedging halves the longest waits for 5 % more attempts."""
    for world in SINGLE:
        assert of(rows, world).served == 100.0, world
        assert of(rows, world).attempts <= 1.13, world
    calm, without = of(rows, "calm"), of(rows, "calm", "router without hedging")
    assert calm.served == 100.0
    assert calm.hedges <= 0.055
    assert calm.p99 <= 0.85 * without.p99
    for world in ("A answers 503", "A flaps, 5 s each", "A errs for 30 %", "A allows 300 a minute"):
        assert of(rows, world).p99 <= 1.35 * calm.p99, world
    assert of(rows, "A silent").p99 < of(rows, "A silent", "router without hedging").p99
    assert of(rows, "all err for 60 %").served >= 85


@pytest.mark.slow
def test_the_dial() -> None:
    """A larger budget serves more of what fails everywhere, for more attempts."""
    world = the_ten(40.0, 200.0)[-1]
    served, attempts = [], []
    for budget in (0.2, 1.0, 1.5):
        figures = Play(world, router(settings=Settings(failover_budget=budget))(world)).run()
        served.append(figures.availability)
        attempts.append(figures.attempts_each)
    assert served == sorted(served)
    assert attempts == sorted(attempts)
    assert served[0] < 60
    assert served[-1] > 90


def test_a_play_can_be_repeated() -> None:
    """The same seed gives the same figures, to the last; another gives others."""
    world = the_ten(20.0, 30.0)[3]
    first, again = (Play(world, router()(world), 7).run() for _ in range(2))
    assert first.first == again.first
    assert Play(world, router()(world), 8).run().first != first.first


def test_models_of_others_can_be_played() -> None:
    """Each way serves a calm world whole, and the table has a cell for each."""
    world = the_ten(20.0, 30.0)[0]
    found = [played(world, way) for way in WAYS]
    assert [row.served for row in found] == [100.0] * len(WAYS)
    lines = markdown(found)
    assert lines[0].count("|") == len(WAYS) + 2
    assert lines[2].startswith("| calm | 100 · ")


@pytest.mark.parametrize(
    ("place", "backend"),
    [(1, "asyncio"), (1, "trio"), pytest.param(3, "asyncio", marks=pytest.mark.slow), (10, "asyncio")],
)
def test_the_real_router_agrees(place: int, backend: str) -> None:
    """Within a point of calls served, in the same world, on either loop."""
    world = the_ten(50.0, 30.0)[place]
    real = run_virtual(really_played, world, backend=backend)
    model = Play(world, router()(world), 1).run()
    assert real.calls > 400
    assert abs(real.availability - model.availability) <= (1.0 if model.availability == 100 else 5.0)
    assert abs(real.attempts_each - model.attempts_each) < 0.1


def test_conversations_cost_less_where_they_are_known() -> None:
    """Affinity brings the bill of prompts to 0.6 of what spreading by load alone costs."""
    with_it, without = bill(400), bill(400, affinity=False)
    assert with_it.full == without.full
    assert with_it.paid <= 0.6 * without.paid
    assert with_it.moved < without.moved / 10


def test_a_silent_target_does_not_move_its_own_limits() -> None:
    """However often it was given up: what was not waited for is not how long it takes."""
    table = Table([Entry("a"), Entry("b")])
    (health, _), settings = table.health, table.settings
    for number in range(300):
        first_output(health, settings, 0.5, float(number))
    before = cut_at(table.entries[0], health, settings, another=True), hedge_at(table, 0)
    silence = TimeoutError("silent", phase="first_output")
    for number in range(300):
        failed(health, settings, row_of(silence), 300.0 + number, 0.5, waited=5.0, probe=True)
    assert (cut_at(table.entries[0], health, settings, another=True), hedge_at(table, 0)) == before
    assert health.first_output is not None
    assert health.first_output > 4


WORLD = """
[[worlds]]
name = "a slow morning"
rate = 5.0
seconds = 30.0
servers = [{ name = "eu", median = 0.4 }, { name = "us", median = 0.8 }]
faults = [{ kind = "slow", targets = ["eu"], begins = 10.0, ends = 20.0, factor = 4.0 }]
"""


def test_a_world_of_ones_own(tmp_path: Path) -> None:
    """In TOML; what is wrong with it is said."""
    path = tmp_path / "world.toml"
    path.write_text(WORLD)
    (world,) = of_toml(path)
    assert played(world, "router").served == 100.0
    for wrong, words in (('"eu"], begins', "no server"), ('kind = "slow"', "kind"), ("rate", "rte")):
        path.write_text(WORLD.replace(wrong, wrong.replace("eu", "asia").replace("slow", "odd").replace("rate", "rte")))
        with pytest.raises(ConfigurationError, match=words if words != "kind" else "Invalid enum value"):
            of_toml(path)
    with pytest.raises(ConfigurationError):
        of_toml(tmp_path / "none.toml")


@pytest.mark.slow
def test_the_script(tmp_path: Path) -> None:
    """`scripts/simulate` shows a table of the worlds, with the real router beside the played one."""
    path = tmp_path / "world.toml"
    path.write_text(WORLD)
    command = [sys.executable, str(ROOT / "scripts" / "_simulate" / "run.py"), "--world", str(path), "--real"]
    done = subprocess.run([*command, "--way", "router"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| a slow morning | 100 · " in done.stdout
