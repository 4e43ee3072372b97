"""`make chaos-quick`, `make chaos MINUTES=n SEED=s`: bring the bed up, load it, let the faults loose, heal, wait until it is quiet, audit.

Writes `var/chaos.json`, keeps the evidence in the bed's folder, and exits with 1 where an invariant is violated.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import time
from itertools import count
from pathlib import Path
from random import Random

import psycopg
from kafka.errors import KafkaError

from chaos.auditor.audit import audit, figures, lines
from chaos.auditor.collect import Sources, collect
from chaos.auditor.slot import close_slot, open_slot
from chaos.bed.bed import Bed
from chaos.bed.stack import BedStack
from chaos.proxy.faults import HEALTHY
from chaos.run import counts
from chaos.run.amender import Amender
from chaos.run.client import Client
from chaos.run.crew import Crew
from chaos.run.machine import Rest, watch
from chaos.run.notes import Journal, Timeline
from chaos.run.promiser import Promiser
from chaos.run.rows import QUICK, ROWS
from chaos.run.scene import Scene
from demo.house import House
from deploy.local.programs import LEDGER, SERVICES
from deploy.local.progress import Progress
from services.kit import topics

_BURST, _EVERY_SECONDS = 60, 4.0
_BURSTS_A_LOOK, _MOST_LEFT = 5, 3_000
"""How often the load looks at what is left undone, and with how much of it no more is sent: a machine that is behind would only fall further."""
_QUIET_SECONDS, _EARLY_SECONDS = 120.0, 35.0
"""How long everything may take to come to rest; how long an event waits for its order."""
_OF_THE_LEDGER = {
    "ledger entries": "select size - position from promises.ledger_head, promises.ledger_published",
    "promises due": "select count(*) from promises.ledger_promises where next_at < now() + interval '1 hour' or acknowledge_by is not null",
    "reports": """select (select count(*) from orders.promise_reports) + (select count(*) from fulfilment.promise_reports)
        + (select count(*) from notifications.promise_reports)""",
    "refunds owed": """select (select count(*) from orders.amendments where refund_minor > 0 and promised_at is null and not_promised is null)
        + (select count(*) from orders.refunds where state in ('owed', 'asked') and wanted)""",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--var", type=Path, default=Path("var/chaos"))
    parser.add_argument("--rows", type=lambda text: [int(number) for number in text.split(",")], help="these rows alone, each once")
    parser.add_argument("--minutes", type=float, default=0, help="at full counts, each row once and then by chance until the time is over; 0: quick")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    told = parser.parse_args()
    rows = told.rows or list(ROWS if told.minutes else QUICK)
    print(f"Seed {told.seed}, rows {', '.join(map(str, rows))}, {'full' if told.minutes else 'quick'} counts.", flush=True)
    shutil.rmtree(told.var, ignore_errors=True)
    stack = BedStack(told.var.resolve(), os.environ, Progress(), seed=told.seed)
    stack.up(attached=True)
    try:
        return asyncio.run(_run(Bed(told.var), rows, told.minutes, told.seed))
    finally:
        Bed(told.var).down()


async def _run(bed: Bed, rows: list[int], minutes: float, seed: int) -> int:
    rng, evidence, began = Random(seed), bed.var / "evidence", time.monotonic()
    house = House.at(bed.var)
    journal, timeline = Journal(bed.var / "journal.jsonl"), Timeline(bed.var / "timeline.jsonl")
    await asyncio.to_thread(open_slot, bed.told["database"], evidence)
    async with house.http, Client(house, journal, rng) as client:
        await client.open()
        promiser, amender = Promiser(client), Amender(client)
        loading = asyncio.gather(_load(client, bed), Crew(client, amender).work(), amender.work(), promiser.work())
        await asyncio.sleep(2 * _EVERY_SECONDS)
        await _befall(Scene(bed, client, timeline, rng, counts.FULL if minutes else counts.QUICK), rows, minutes)
        await asyncio.to_thread(bed.proxy().set, HEALTHY)
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)
        print(f"  {len(client.placed)} orders placed; waiting until all is quiet.", flush=True)
        rest, seconds, agreed = await _until_quiet(bed, promiser)
    about = {"seed": seed, "minutes": round((time.monotonic() - began) / 60, 1), "quiet_seconds": round(seconds, 1)}
    about |= {"promises": len(promiser.receipts), "agreed_seconds": round(agreed, 1)}
    return await asyncio.to_thread(_judge, bed, evidence, about, timeline, rest, promiser)


async def _load(client: Client, bed: Bed) -> None:
    """A burst every few seconds, however long the one before takes, unless very much is left undone."""
    under_way: set[asyncio.Task[None]] = set()
    try:
        for burst in count(1):
            task = asyncio.ensure_future(client.burst(_BURST))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            await asyncio.sleep(_EVERY_SECONDS)
            while burst % _BURSTS_A_LOOK == 0 and await asyncio.to_thread(_overloaded, bed):  # noqa: ASYNC110  # nobody tells of what is left undone
                await asyncio.sleep(_EVERY_SECONDS)
    finally:
        await asyncio.gather(*under_way, return_exceptions=True)


def _overloaded(bed: Bed) -> bool:
    """No where nobody can tell: servers that are down are what the load is for."""
    try:
        return sum(_left(bed).values()) > _MOST_LEFT
    except (KafkaError, psycopg.Error, OSError):
        return False


async def _befall(scene: Scene, rows: list[int], minutes: float) -> None:
    ends = time.monotonic() + minutes * 60
    remaining = list(rows)
    while remaining or time.monotonic() < ends:
        row = remaining.pop(0) if remaining else scene.rng.choice(rows)
        print(f"  row {row}: {ROWS[row].__name__.replace('_', ' ')}", flush=True)
        await ROWS[row](scene)
        await asyncio.sleep(2)


async def _until_quiet(bed: Bed, promiser: Promiser) -> tuple[Rest, float, float]:
    """The machine at rest, seconds until nothing was left to read or to send, and from then until all departments held the same promises. Then all is
    stopped, so that what the auditor reads stands still.

    Raises TimeoutError.
    """
    began = time.monotonic()
    await asyncio.sleep(_EARLY_SECONDS)
    while left := await asyncio.to_thread(_left, bed):
        _patient(began, left)
        await asyncio.sleep(1)
    seconds, agreed = time.monotonic() - began, await promiser.until_all_agree()
    rest = await asyncio.to_thread(watch, bed, 5)
    while left := await asyncio.to_thread(_left_when_stopped, bed):
        _patient(began, left)
        await asyncio.sleep(1)
    return rest, seconds, agreed


def _patient(began: float, left: dict[str, int]) -> None:
    if time.monotonic() - began > _QUIET_SECONDS + _EARLY_SECONDS:
        raise TimeoutError(f"not quiet after {_QUIET_SECONDS + _EARLY_SECONDS:.0f} s: {left}")


def _left_when_stopped(bed: Bed) -> dict[str, int]:
    """What a timer said in the moment between: then they go on."""
    names = [name for name in bed.names if "-worker-" in name or "-api-" in name or name == LEDGER]
    for name in names:
        bed.stop(name)
    left = _left(bed)
    for name in names if left else []:
        bed.start(name)
    return left


def _left(bed: Bed) -> dict[str, int]:
    """Messages that a group has not read, rows that a relay has not sent, reports that the ledger has not got, money that is on its way
    back, promises of which it will say something by itself."""
    found = {}
    for service in SERVICES:
        found[f"{service} behind"] = sum(behind for each in topics.lag(bed.told["kafka"], service).values() for behind in each.values())
        with psycopg.connect(bed.told["database"]) as connection:
            row = connection.execute(f"select count(*) from {service}.outbox").fetchone()
        found[f"{service} outbox"] = int(row[0]) if row else 0
    with psycopg.connect(bed.told["database"]) as connection:
        for what, query in _OF_THE_LEDGER.items():
            row = connection.execute(query).fetchone()
            found[what] = int(row[0]) if row else 0
    return {name: count for name, count in found.items() if count}


def _judge(bed: Bed, evidence: Path, about: dict[str, float], timeline: Timeline, rest: Rest, promiser: Promiser) -> int:
    mails, payments = bed.var / "mail", bed.var / "provider" / "books.sqlite"
    sources = Sources(bed.told["kafka"], bed.told["database"], bed.var / "journal.jsonl", timeline.path, mails, payments=payments)
    collect(sources, evidence)
    of_ledger = promiser.violations(bed)
    close_slot(bed.told["database"])
    audited = audit(evidence)
    print(*lines(audited), *of_ledger[:10], sep="\n")
    points = {"met": len(timeline.points), "never_met": sorted(timeline.missed)}
    reached = {"kills": dict(timeline.kills), "faults": timeline.faults(), "crash_points": points}
    about["ledger_violations"] = len(of_ledger)
    told = about | {"void": rest.why_void, "busy_percent_in_quiet": rest.busy_percent} | reached | figures(audited)
    Path("var").mkdir(exist_ok=True)
    Path("var/chaos.json").write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps({name: value for name, value in told.items() if name != "violations"}))
    print(f"All of it: var/chaos.json; the evidence: {evidence}.")
    if rest.why_void:
        print(f"The run is void: {rest.why_void}.")
        return 1
    return 1 if audited.violations or of_ledger else 0


if __name__ == "__main__":
    sys.exit(main())
