"""A worker of one service in the simulated world, put together from the parts that `services.kit.worker` puts together."""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

from services.kit.changes import Changes
from services.kit.clock import Clock
from services.kit.consume import ConsumeLoop
from services.kit.database import Database
from services.kit.envelope import Reader
from services.kit.group import Group
from services.kit.inbox import SqlJournal
from services.kit.leader import Leader
from services.kit.raw_driver import RawDriver
from services.kit.relay import Relay
from services.kit.stage import Stage, Timer
from services.kit.timers import TimerLoop
from simulation.connection import Pool
from simulation.host import Host
from simulation.kafka import Broker, SimulatedLog

HOST: ContextVar[Host] = ContextVar("host")
"""The process that the code at hand runs in."""


async def work(stage: Stage, timers: Sequence[Timer], slot: str, host: Host, open_one: Callable[[], Any], broker: Broker, clock: Clock) -> None:
    """Work until told to stop; raises what breaks and no repetition mends."""
    HOST.set(host)
    changes, said = Changes(), Changes()
    leading: list[Leader] = []

    def wake() -> bool:
        said.happened()
        return leading[0].leading

    pool: Any = Pool(open_one)
    database = Database(pool, stage.service, clock, wake)
    journal = SqlJournal(database, stage.handle)
    loop = ConsumeLoop(Reader(stage.hears), journal, service=stage.service, changed=changes.happened)
    driver = RawDriver(loop, Group(host.name, stage.service, slot, stage.topics))
    relay = Relay(stage.service, "", SimulatedLog(broker, host), said, foreign=changes.happened)

    async def connect() -> Any:
        await host.trip("postgres connect")
        return open_one()

    async def fire(_: object) -> None:
        await TimerLoop(timers, database, clock, changes).run()

    leader = Leader(stage.service, connect, (relay.run, fire) if timers else (relay.run,))
    leading.append(leader)
    await driver.start()
    duties = asyncio.ensure_future(_duties(leader, driver))
    told = asyncio.ensure_future(host.stopping.wait())
    await asyncio.wait({duties, told}, return_when=asyncio.FIRST_COMPLETED)
    if duties.done():
        duties.result()
    await driver.stop(host.grace_seconds)
    duties.cancel()
    await asyncio.wait({duties})


async def _duties(leader: Leader, driver: RawDriver) -> None:
    """Returns only by raising what broke."""
    died = asyncio.ensure_future(driver.died())
    leading = asyncio.ensure_future(leader.run())
    try:
        await asyncio.wait({died, leading}, return_when=asyncio.FIRST_COMPLETED)
        raise died.result() if died.done() else leading.exception() or RuntimeError("the leader came to an end")
    finally:
        died.cancel()
        leading.cancel()
