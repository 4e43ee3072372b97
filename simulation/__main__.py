"""`make simulate SEEDS=n` runs n seeds from FIRST on; `SEED=n` replays one and prints each step."""

import argparse
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping

import structlog

from simulation.loop import run_virtually
from simulation.shop.scenario import shop
from simulation.toy import till
from simulation.world import Run, World, simulate

WORLDS: Mapping[str, Callable[[int], World]] = {"till": till, "shop": shop}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--world", choices=WORLDS, default="till")
    parser.add_argument("--until", help="stop at the first violation of this invariant")
    told = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    new_world = WORLDS[told.world]
    return replay(told.seed, new_world) if told.seed is not None else run_all(told.first, told.seeds, new_world, told.until)


def run_all(first: int, count: int, new_world: Callable[[int], World], until: str | None) -> int:
    """Exit code 1 when any seed shows a violation."""
    began, hours, sent, faults, failing = time.process_time(), 0.0, 0, Counter[str](), list[Run]()
    for seed in range(first, first + count):
        run = simulate(seed, new_world)
        hours, sent, faults = hours + run.virtual_seconds / 3600, sent + run.sent, faults + run.faults
        if run.violations:
            failing.append(run)
            for violation in {each.invariant: each for each in run.violations}.values():
                print(f"seed {seed}: {violation}", flush=True)
        if until in {each.invariant for each in run.violations}:
            return 1
        if sys.stderr.isatty():
            print(f"\r{seed - first + 1} of {count}", end="", file=sys.stderr)
    seconds = time.process_time() - began
    print(f"{count} seeds from {first}: {sent} events, {dict(faults)}, {hours:.1f} hours simulated in {seconds:.0f} s; {len(failing)} seeds failed")
    return 1 if failing else 0


def replay(seed: int, new_world: Callable[[int], World]) -> int:
    """The seed's steps, one a line, then its violations."""
    world = new_world(seed)
    run = run_virtually(world.run())
    print(*world.steps, *run.violations, f"seed {seed}: {len(run.violations)} violations, trace {run.trace}", sep="\n")
    return 1 if run.violations else 0


if __name__ == "__main__":
    sys.exit(main())
