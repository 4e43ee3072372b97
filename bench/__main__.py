"""`make bench`: our figures beside those of what a user would pick instead, measured in one run, and written to var/bench.json."""

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import chain, stage
from deploy.local.servers import embedded
from services.kit.clock import record_now

VAR = Path("var")
OURS, RAW, FASTSTREAM, STOCK = "kept, Faust driver", "raw aiokafka + asyncpg", "FastStream, batches", "stock Faust, take"
LIMITS_MS = {20: 100, 100: 200}
AT_LEAST = {"of_raw": 0.6, "of_faststream": 0.95, "of_stock_faust": 2.0}
AT_MOST = {"stack_mb": 2560, "largest_worker_mb": 150, "cpu_percent_of_a_core": 15}


def main() -> int:
    arguments = _parse()
    console = Console(width=110, highlight=False)
    console.print(f"One consuming stage, {arguments.events:,} events a round, {arguments.rounds} rounds there and back:")
    os.environ.setdefault("KEPT_KAFKA_JVM", "")  # peak speed, not a quick start
    with embedded(VAR / "bench-servers") as (bootstrap, database):
        stages = stage.measure(bootstrap, database, events=arguments.events, rounds=arguments.rounds)
    console.print("From the order's event to its pick task, all services:")
    latencies, idle = chain.measure(VAR / "bench", {20: arguments.seconds, 100: arguments.seconds})
    figures = {"stage": stages, "ratios": _ratios(stages), "placed_to_claimable": [asdict(each) for each in latencies], "idle": idle}
    figures = {"ran": _ran(), **figures, "targets": _targets(figures)}
    (VAR / "bench.json").write_text(json.dumps(figures, indent=2) + "\n")
    _show(console, figures)
    return 0


def _ratios(stages: list[dict[str, Any]]) -> dict[str, float]:
    rate = {row["name"]: row["per_second"] for row in stages}
    return {name: round(rate[OURS] / rate[peer], 2) for name, peer in (("of_raw", RAW), ("of_faststream", FASTSTREAM), ("of_stock_faust", STOCK))}


def _ran() -> dict[str, Any]:
    """When and on what: figures of another machine, or of a busy one, do not compare."""
    load = os.getloadavg()[0]
    return {
        "at": record_now().isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_at_end": round(load, 1),
    }


def _targets(figures: dict[str, Any]) -> dict[str, str]:
    """Each target by name: met or missed, with the figure and the limit. A busy machine misses some: so it is told, not asserted."""
    told = {name: (figures["ratios"][name], limit, figures["ratios"][name] >= limit) for name, limit in AT_LEAST.items()}
    for row in figures["placed_to_claimable"]:
        limit = LIMITS_MS[row["per_second"]]
        told[f"p95_ms_at_{row['per_second']}_a_second"] = (row["p95_ms"], limit, row["p95_ms"] <= limit)
    told |= {name: (figures["idle"][name], limit, figures["idle"][name] <= limit) for name, limit in AT_MOST.items()}
    return {name: f"{'met' if met else 'missed'}: {figure} (wanted {limit})" for name, (figure, limit, met) in told.items()}


def _show(console: Console, figures: dict[str, Any]) -> None:
    table = Table("one stage", "events/s", "CPU us/event", "ours / it", box=None)
    ours = next(row for row in figures["stage"] if row["name"] == OURS)
    for row in figures["stage"]:
        table.add_row(row["name"], f"{row['per_second']:,.0f}", f"{row['cpu_us_per_event']:.1f}", f"{ours['per_second'] / row['per_second']:.2f}")
    console.print(table)
    table = Table("placed to claimable", "orders", "p50 ms", "p95 ms", "max ms", "wanted p95", box=None)
    for row in figures["placed_to_claimable"]:
        limit = LIMITS_MS.get(row["per_second"])
        cells = (f"{row['per_second']}/s", f"{row['orders']}", f"{row['p50_ms']}", f"{row['p95_ms']}", f"{row['max_ms']}", f"{limit}")
        table.add_row(*cells)
    console.print(table)
    table = Table("target", "", box=None)
    for name, outcome in figures["targets"].items():
        table.add_row(name, outcome)
    console.print(table)
    console.print(f"Load of the machine at the end: {figures['ran']['load_at_end']} on {figures['ran']['cores']} cores. All figures: var/bench.json.")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Speed, side by side, in one run.")
    parser.add_argument("--events", type=int, default=100_000, help="events of a stage round (default: 100,000)")
    parser.add_argument("--rounds", type=int, default=4, help="rounds, alternately there and back (default: 4)")
    parser.add_argument("--seconds", type=int, default=30, help="length of a paced run (default: 30)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
