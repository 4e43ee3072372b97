"""Our kit: the consume loop and its journal behind a driver (`faust` or `raw`, the argument), without the relay, which the others lack as well."""

import asyncio
import sys
from collections.abc import Sequence
from uuid import UUID

import uvloop

from bench.work import BOOTSTRAP, DSN, EVENTS, GROUP, STATES, TOPIC, Meter, Placed, Wanted, encode
from services.kit.clock import SystemClock
from services.kit.consume import ConsumeLoop
from services.kit.database import Database, Transaction
from services.kit.envelope import Reader
from services.kit.faust_driver import FaustDriver
from services.kit.group import Group
from services.kit.inbox import SqlJournal
from services.kit.interpreter import tune_python
from services.kit.raw_driver import RawDriver
from services.kit.values import Heard

DRIVERS: dict[str, type[FaustDriver] | type[RawDriver]] = {"faust": FaustDriver, "raw": RawDriver}


async def handle(work: Transaction, events: Sequence[Heard[Placed]]) -> None:
    rows = [(e.data.order_id, e.data.customer_id, e.data.total_minor, encode(e.data.lines).decode()) for e in events]
    columns: list[list[UUID | str | int]] = [list(column) for column in zip(*rows, strict=True)]
    await work.connection.execute(STATES, *columns)
    for event in events:
        wanted = Wanted(event.data.order_id, event.data.total_minor)
        work.say("bench.said.v1", "bench.StockWanted.v1", wanted, key=str(wanted.order_id), cause=event.cause, version=1)


async def main(kind: str) -> None:
    meter, done = Meter(), asyncio.Event()
    database = await Database.connect(DSN, "bench", SystemClock())
    journal = SqlJournal(database, handle)
    loop = ConsumeLoop(Reader({"bench.Placed.v1": Placed}), journal, service="bench")
    read, take = loop.read, loop.take

    def started(messages):  # type: ignore[no-untyped-def]  # the loop's own signature
        meter.start()
        return read(messages)

    async def metered(items):  # type: ignore[no-untyped-def]  # the loop's own signature
        outcome = await take(items)
        if meter.add(len(items)):
            done.set()
        return outcome

    loop.read, loop.take = started, metered  # type: ignore[method-assign]  # counted from outside, like the others
    driver = DRIVERS[kind](loop, Group(BOOTSTRAP, GROUP, "0", (TOPIC,)))
    tune_python()
    await driver.start()
    await done.wait()
    meter.report()
    await driver.stop(5)


if __name__ == "__main__":
    assert EVENTS
    uvloop.run(main(sys.argv[1]))
