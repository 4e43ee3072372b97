"""`make bench`: our figures beside those of what a user would pick instead, each part in one run, written to var/bench.json as they come.

`python -m bench relay posting` measures those parts alone. It asserts nothing: a busy machine misses targets, so each is told with its figure.
"""

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from bench import busy, chain, growth, machine, posting, relay, report, stage, through
from bench.report import Row, Wanted
from deploy.local.servers import embedded
from services.kit.clock import record_now

VAR = Path("var")
BURST = 3200
BESIDE = 50
"""Orders per second on the topic of the stack that runs beside `POST /v1/orders`."""
IDLE = {"stack_mb": ("MB, all processes", 2560), "largest_worker_mb": ("MB", 150), "cpu_percent_of_a_core": ("% of a core", 15)}
"""What the idle stack may cost at most."""


def main() -> int:
    arguments = _parse()
    os.environ.setdefault("KEPT_KAFKA_JVM", "")  # peak speed, not a quick start
    console = Console(width=150, highlight=False)
    measured = list[Row]()
    _tell_machine(console, "before")
    for name in arguments.parts or PARTS:
        console.print(f"{name}:")
        rows = PARTS[name](arguments)
        report.write(VAR / "bench.json", rows)
        measured += rows
    report.show(console, measured)
    _tell_machine(console, "after")
    console.print(f"{record_now():%d %B %Y}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores. All figures: {VAR / 'bench.json'}.")
    return 0


def _tell_machine(console: Console, when: str) -> None:
    rows = machine.rows(when)
    report.write(VAR / "bench.json", rows)
    console.print(f"machine {when}: {machine.told(rows)}")


def _stage(told: argparse.Namespace) -> list[Row]:
    with embedded(VAR / "bench-servers") as (bootstrap, database):
        return stage.measure(bootstrap, database, events=told.events, rounds=told.rounds)


def _relay(told: argparse.Namespace) -> list[Row]:
    with embedded(VAR / "bench-servers") as (bootstrap, database):
        return relay.measure(bootstrap, database, events=told.events, rounds=told.rounds)


def _through(told: argparse.Namespace) -> list[Row]:
    with embedded(VAR / "bench-servers") as (bootstrap, database):
        return through.measure(bootstrap, database, events=told.events, rounds=told.rounds)


def _posting(told: argparse.Namespace) -> list[Row]:
    with embedded(VAR / "bench-servers") as (bootstrap, database):
        measure = partial(posting.measure, VAR / "bench-servers", database, seconds=told.seconds, rounds=told.rounds)
        alone = measure()
        with busy.workers(VAR / "bench-beside", bootstrap, database, per_second=BESIDE):
            return alone + measure(beside=f"workers at {BESIDE} orders/s")


def _chain(told: argparse.Namespace) -> list[Row]:
    paces = dict.fromkeys(chain.P95_MS, int(told.seconds))
    return [row for driver in chain.DRIVERS for row in chain.chain_rows(VAR / "bench", driver, paces, [BURST])]


def _idle(_: argparse.Namespace) -> list[Row]:
    idle = chain.idle(VAR / "bench")
    return [
        Row(f"idle stack, {figure}", unit, idle[figure], less_is_better=True, wanted=Wanted(limit, at_most=True))
        for figure, (unit, limit) in IDLE.items()
    ]


def _growth(told: argparse.Namespace) -> list[Row]:
    return growth.measure(VAR / "bench-growth", sizes=tuple(told.sizes), rounds=told.rounds)


PARTS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "stage": _stage,
    "relay": _relay,
    "end-to-end": _through,
    "posting": _posting,
    "chain": _chain,
    "idle": _idle,
    "growth": _growth,
}


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure our kit beside its rivals.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--events", type=int, default=50_000, help="events or messages per round (default: 50,000)")
    parser.add_argument("--rounds", type=int, default=4, help="rounds per contender (default: 4)")
    parser.add_argument("--seconds", type=float, default=15, help="how long one paced run or one round of requests is (default: 15)")
    sizes = ", ".join(f"{size:,}" for size in growth.SIZES)
    parser.add_argument("--sizes", nargs="+", type=int, default=growth.SIZES, help=f"orders in each database of `growth` (default: {sizes})")
    told = parser.parse_args()
    if unknown := set(told.parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return told


if __name__ == "__main__":
    sys.exit(main())
