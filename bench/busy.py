"""Workers that have work, beside what is measured: a stack of its own, and orders on its topic without a pause.

`python -m bench.busy FOLDER PER_SECOND` is who says them, to the stack in that folder, until it is ended.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from bench import shops
from demo.house import House
from demo.shop import Storefront

_DATABASE = "bench_beside"


@contextmanager
def workers(folder: Path, kafka: str, admin: str, *, per_second: int) -> Iterator[None]:
    """The block runs beside workers of all services that are told so many orders a second. Raises RuntimeError where they did nothing."""
    database = asyncio.run(_database(admin))
    with shops.running(folder, kafka, database, f"beside-{uuid4().hex[:8]}.") as house:
        asyncio.run(_open(house))
        began, before = time.perf_counter(), asyncio.run(_released(database))
        saying = subprocess.Popen([sys.executable, "-m", "bench.busy", str(house.var), str(per_second)], stdin=subprocess.DEVNULL)
        try:
            yield
            ended = saying.poll()
        finally:
            saying.terminate()
            saying.wait(30)
        released, seconds = asyncio.run(_released(database)) - before, time.perf_counter() - began
        if ended is not None or not released:
            raise RuntimeError(f"the load beside ended with {ended}; {released} orders were released in {seconds:.0f} s")
        print(f"  beside: {released / seconds:.0f} of {per_second} orders/s came to their pick task", flush=True)


async def _database(admin: str) -> str:
    """An empty one; the administrator's address of it."""
    connection = await asyncpg.connect(admin)
    await connection.execute(f"drop database if exists {_DATABASE} with (force)")
    await connection.execute(f"create database {_DATABASE}")
    await connection.close()
    return urlunsplit(urlsplit(admin)._replace(path=f"/{_DATABASE}"))


async def _released(database: str) -> int:
    connection = await asyncpg.connect(database)
    count = await connection.fetchval("select count(*) from fulfilment.pick_tasks")
    await connection.close()
    return int(count)


async def _open(house: House) -> None:
    async with house.http, Storefront(house) as shop:
        await shops.open_shop(house, shop)


async def main(folder: Path, per_second: int) -> None:
    house = House.at(folder)
    async with house.http, Storefront(house) as shop:
        began = time.perf_counter()
        for number, order in enumerate(shops.orders()):
            await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
            await shop.hand_over_order(order)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
