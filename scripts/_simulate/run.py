"""Play the ten faults, or worlds of your own, by the router and by models of others, and show what came of it.

`--real` runs the real `Router` in the same worlds, in virtual time, and says where it does not agree. `--against` runs
litellm and LangChain beside it, on loopback and in real time, in an environment of their own. `--write` writes
docs/routing.svg. Figures are of the time of the fault; `model:` is a reading of others' rules, never they themselves.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import plot

from miiflow_llm.choosing.settings import Settings
from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.replay import run_virtual
from miiflow_llm.routing.simulation.conversations import bill
from miiflow_llm.routing.simulation.play import Figures, Play
from miiflow_llm.routing.simulation.real import really_played
from miiflow_llm.routing.simulation.rows import Row, all_played, markdown, played, row_of
from miiflow_llm.routing.simulation.ways import WAYS, router
from miiflow_llm.routing.simulation.world import World, of_toml, the_ten

ROOT = Path(__file__).parents[2]
RATE = 100.0
POINT = 1.0
"""How far the played and the real router may differ beyond chance, in percent of calls served."""


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--calls", type=float, default=1e5, help="calls a world and way, at 100 a second")
    parser.add_argument("--world", type=Path, help="worlds of your own, as TOML, in place of the ten")
    parser.add_argument("--way", action="append", choices=list(WAYS), help="only these; repeatable")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--real", action="store_true", help="run the real router too, 10 000 calls a world")
    parser.add_argument("--against", action="store_true", help="run litellm and LangChain on loopback, for minutes")
    parser.add_argument("--write", action="store_true", help="write docs/routing.svg")
    chosen = parser.parse_args()
    try:
        worlds = of_toml(chosen.world) if chosen.world else the_ten(RATE, chosen.calls / RATE)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    rows = all_played(worlds, chosen.way or list(WAYS), chosen.seed)
    show(rows)
    if chosen.world is None:
        show_dials(worlds[-1], chosen.seed)
        show_affinity()
    if chosen.write:
        plot.draw(rows, ROOT / "docs" / "routing.svg")
    agrees = not chosen.real or show_real(chosen.seed, of_toml(chosen.world) if chosen.world else the_ten(RATE, 100.0))
    if chosen.against:
        import against

        against.show()
    return 0 if agrees else 1


def show(rows: list[Row]) -> None:
    """The table, and what playing cost."""
    print("Percent served · seconds to first output, p50 / p99\n")
    print("\n".join(markdown(rows)))
    print()
    for row in rows:
        if row.way.startswith("router") and row.way != "router in order":
            print(f"{row.world:34} {row.way:24} {row.attempts:.3f} attempts, {row.hedges:.3%} hedged")
    ours = [row for row in rows if row.way == "router"]
    if ours:
        print(f"\n{len(ours) / sum(row.cpu for row in ours):,.0f} calls a second of CPU, on each processor")


def show_dials(world: World, seed: int) -> None:
    """What `failover_budget` changes if everything errs, and what `hedge_budget` changes in calm."""
    print(f"\n{world.name}, by Settings(failover_budget=...):")
    for budget in (0.2, 0.5, 1.0, 1.5, 2.0):
        figures = Play(world, router(settings=Settings(failover_budget=budget))(world), seed).run()
        print(f"  {budget}: {figures.availability:.1f} % served, {figures.attempts_each:.2f} attempts")


def show_affinity() -> None:
    """What conversations cost."""
    with_it, without = bill(), bill(affinity=False)
    print(
        f"\nPrompts of 4,000 conversations over four targets: {with_it.share:.0%} of the full price with affinity, "
        f"{without.share:.0%} without: {with_it.paid / without.paid:.2f} times"
    )


def show_real(seed: int, worlds: list[World]) -> bool:
    """The real router beside the played one; whether they agree."""
    print("\nThe real router in the same worlds, 100 s each; beside it the played one")
    agrees = True
    for world in worlds:
        figures: Figures = run_virtual(really_played, world, "fastest", True, seed)
        real, model = row_of(world, "real", figures), played(world, "router", seed)
        chance = 2 * (2 * model.served * (100 - model.served) / max(real.calls, 1)) ** 0.5  # two standard errors
        same = abs(real.served - model.served) <= POINT + chance
        agrees = agrees and same
        print(
            f"  {world.name:34} {real.served:6.2f} {real.p50:.2f}/{real.p99:.2f} {real.attempts:.3f}   "
            f"{model.served:6.2f} {model.p50:.2f}/{model.p99:.2f} {model.attempts:.3f}{'' if same else '  DIFFERS'}"
        )
    return agrees


if __name__ == "__main__":
    sys.exit(main())
