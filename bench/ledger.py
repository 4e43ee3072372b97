"""`make bench-ledger`: how fast the ledger of promises writes, answers, is verified and compared, and how late its timers are.

Each figure beside its target, written to var/bench-ledger.json. `python -m bench.ledger append verify` measures those parts alone.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
import uvloop
from rich.console import Console

from bench import ledger_agreement, ledger_append, ledger_due, ledger_http, ledger_seen, machine, report
from bench.ledger_asked import ask, commands, database, service_of, writing
from bench.report import Row, Wanted
from deploy.local.servers import embedded
from services.kit.clock import record_now
from services.kit.interpreter import tune_python
from services.promises.commands import export, verify_export, verify_live

VAR = Path("var")
SERVERS = VAR / "bench-servers"
_VERIFIED = 120_000


def main() -> int:
    told = _parse()
    console = Console(width=150, highlight=False)
    tune_python()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    VAR.mkdir(exist_ok=True)
    before, measured = machine.rows("before"), list[Row]()
    console.print(f"machine before: {machine.told(before)}")
    with embedded(SERVERS) as (kafka, admin):
        for name in told.parts or PARTS:
            console.print(f"{name}:")
            measured += PARTS[name](told, kafka, admin)
            report.write(VAR / "bench-ledger.json", [*before, *measured])
    after = machine.rows("after")
    report.write(VAR / "bench-ledger.json", after)
    report.show(console, measured)
    console.print(f"machine after: {machine.told(after)}. {record_now():%d %B %Y}. All figures: {VAR / 'bench-ledger.json'}.")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="which parts, all where none is named")
    parser.add_argument("--entries", type=int, default=40_000, help="entries in one round of appending")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10, help="one round by HTTP; twice as long promises are made to be seen")
    parser.add_argument("--promises", type=int, default=200_000, help="how many the ledger and a view hold that are compared")
    parser.add_argument("--open", type=int, default=130_000, help="open promises, of which 5,000 fall due in one second")
    return parser.parse_args()


def _append(told: argparse.Namespace, _: str, admin: str) -> list[Row]:
    return [ledger_append.measure(database(admin, "bench_ledger", "promises"), count=told.entries, rounds=told.rounds)]


def _verify(_: argparse.Namespace, __: str, admin: str) -> list[Row]:
    url = service_of(database(admin, "bench_ledger_verified", "promises"))

    async def fill() -> None:
        async with writing(url) as writer:
            await ask(writer, commands(_VERIFIED))

    uvloop.run(fill())
    with tempfile.TemporaryDirectory(dir=VAR) as folder:
        file = Path(folder) / "export.jsonl"
        export(url, file)
        ways: dict[str, tuple[int, Callable[[], Any]]] = {
            "from an export": (50_000, lambda: verify_export(file)), "from PostgreSQL": (35_000, lambda: verify_live(url)),
        }  # fmt: skip
        return [_verified(name, wanted, verify) for name, (wanted, verify) in ways.items()]


def _verified(name: str, wanted: float, verify: Callable[[], Any]) -> Row:
    began = time.perf_counter()
    found = verify()
    per_second = found.size / (time.perf_counter() - began)
    assert found.fault is None, found.fault
    return Row(f"ledger: verified {name}", "entries/s", per_second, wanted=Wanted(wanted), more={"entries": found.size})


def _http(told: argparse.Namespace, kafka: str, admin: str) -> list[Row]:
    return ledger_http.measure(SERVERS, kafka, database(admin, "bench_ledger_http", "promises"), seconds=told.seconds, rounds=told.rounds)


def _agreement(told: argparse.Namespace, _: str, admin: str) -> list[Row]:
    url = database(admin, "bench_ledger_agreement", "promises", ledger_agreement.SERVICE)
    return uvloop.run(ledger_agreement.measure(SERVERS, url, promises=told.promises))


def _due(told: argparse.Namespace, _: str, admin: str) -> list[Row]:
    return uvloop.run(ledger_due.measure(database(admin, "bench_ledger_due", "promises"), count=told.open))


def _seen(told: argparse.Namespace, kafka: str, admin: str) -> list[Row]:
    return ledger_seen.measure(VAR / "bench-ledger-seen", kafka, database(admin, "bench_ledger_seen"), seconds=2 * told.seconds)


PARTS = {"append": _append, "verify": _verify, "http": _http, "agreement": _agreement, "due": _due, "seen": _seen}


if __name__ == "__main__":
    sys.exit(main())
