"""A stage whose effects can be counted: one row and one event said per event heard. With TOY_CHORES a timer fires for each as well, once, and an
errand writes it into a file. Run as a process: `python -m tests.integration.kit.toy`; its watchdog waits TOY_PATIENCE_SECONDS, where they are told.
"""

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from services.kit import worker as kit_worker
from services.kit.database import Database, Transaction
from services.kit.revocations import TOPIC as REVOCATIONS
from services.kit.settings import KitSettings
from services.kit.stage import Errand, Stage, Timer
from services.kit.topics import Topic
from services.kit.trace import child_of
from services.kit.values import Cause, Heard
from services.kit.watchdog import Watchdog
from services.kit.worker import Worker, run
from tests.support.toys import SERVICE

HEARD, SAID = "toy.in.v1", "toy.out.v1"
COUNTED, ECHOED, FIRED = "toy.Counted.v1", "toy.Echoed.v1", "toy.Fired.v1"
TOPICS = tuple(Topic(name, 6, "delete", 168, 1_048_576) for name in (HEARD, SAID, REVOCATIONS))


@dataclass(frozen=True, slots=True)
class Counted:
    """`behaviour`: count | fail | refuse | die | hang | block."""

    n: int
    behaviour: str = "count"


async def handle(work: Transaction, batch: Sequence[Heard[Counted]]) -> None:
    """Counts what is heard; no key guards the table, so that an event applied twice shows."""
    mended = "TOY_MENDED" in os.environ
    for heard in batch:
        if heard.data.behaviour == "fail" and not mended:
            raise RuntimeError("this event fails whenever it is handled")
        if heard.data.behaviour == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if heard.data.behaviour == "hang" and not mended:
            await asyncio.Event().wait()
        if heard.data.behaviour == "block" and not mended:
            time.sleep(600)  # noqa: ASYNC251  # that is what it is for
        if heard.data.behaviour == "refuse":
            work.set_aside(heard, "not-wanted", "this event is refused whenever it is handled")
    await work.connection.execute("select pg_sleep($1)", float(os.environ.get("TOY_SLOW_SECONDS", "0")))
    good = [heard for heard in batch if heard.data.behaviour in (("count", "fail", "hang", "block") if mended else ("count",))]
    await work.connection.execute("insert into counted select * from unnest($1::uuid[], $2::int[])", [h.id for h in good], [h.data.n for h in good])
    for heard in good:
        work.say(SAID, ECHOED, {"n": heard.data.n}, key=heard.subject, cause=heard.cause, version=heard.version)
    if "TOY_CHORES" in os.environ:
        await work.connection.execute("insert into chores select unnest($1::uuid[])", [h.id for h in good])


async def fire(work: Transaction) -> int:
    """Every chore once."""
    rows = await work.connection.fetch("update chores set fired = true where not fired returning event_id")
    for (id,) in rows:
        work.say(SAID, FIRED, {}, key=str(id), cause=Cause(id, id, child_of(None)), version=1)
    return len(rows)


async def chores(database: Database) -> int:
    """What has fired goes into the file `chores`, at least once, and is done."""
    rows = await database.pool.fetch("select event_id from chores where fired and not done")
    with (Path(os.environ["KEPT_VAR"]) / "chores").open("a") as file:
        file.writelines(f"{id}\n" for (id,) in rows)
    async with database.transaction() as work:
        await work.connection.execute("update chores set done = true where event_id = any($1::uuid[])", [id for (id,) in rows])
    return len(rows)


STAGE: Stage = Stage(SERVICE, (HEARD,), {COUNTED: Counted}, handle)


def worker(settings: KitSettings | None = None) -> Worker:
    more: dict[str, Any] = {"timers": (Timer("fire", fire),), "errands": (Errand("chores", chores),)} if "TOY_CHORES" in os.environ else {}
    return Worker(STAGE, settings=settings or KitSettings(), **more)


def main() -> Any:
    if "TOY_PATIENCE_SECONDS" in os.environ:
        kit_worker.Watchdog = partial(Watchdog, limit_seconds=float(os.environ["TOY_PATIENCE_SECONDS"]))  # type: ignore[misc, assignment]  # the real worker, with less patience
    run(worker())


if __name__ == "__main__":
    main()
