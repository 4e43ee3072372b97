"""The whole chain through public HTTP only, as a user of another shop platform would do it: `python -m bench.public` (`make bench-chain`).

An order counts once it was submitted, found in the warehouse's list (looked at every 100 ms), claimed, picked, packed, labelled, staged, loaded,
handed over, delivered by the carrier's signed word, and read back as delivered. So many callers, each with one order in hand; nothing goes together.
Afterwards every order is audited, and a mismatch voids the run.
"""

import argparse
import asyncio
import itertools
import os
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

import asyncpg
from rich.console import Console

from bench.public_client import ITEM, Floor, Shift
from bench.report import Row, Wanted, show, write
from demo import day, opening
from demo.house import House
from demo.shop import Storefront
from deploy.local.stack import configured

VAR = Path("var")
WANTED = {1: 10, 8: 41, 32: 58}
ELSEWHERE = {
    "Vendure 3.7.3": {1: 2.4, 8: 5.1, 32: 5.8},
    "Temporal 1.32.0, its order example": {1: 1.55, 8: 4.0, 32: 3.9},
    "Medusa 2.21.2": {1: 0.49, 8: 0.82, 32: 0.92},
}
"""Whole chains a second by callers, measured once each on another day, on two cores with the load generator: within a factor of two."""

_UNITS = 100_000
_AUDIT = """
select count(*) filter (where orders <> 1), count(*) filter (where state is distinct from 'delivered'), count(*) filter (where parcels <> 1),
       count(*) filter (where labels <> 1), coalesce(sum(units), 0)
from unnest($1::uuid[], $2::text[]) a (order_id, external_ref)
cross join lateral (select count(*) orders, max(o.state) state from orders.orders o where o.external_ref = a.external_ref) o
cross join lateral (select count(*) parcels from fulfilment.parcels p where p.order_id = a.order_id) p
cross join lateral (select count(*) labels from fulfilment.labels l join fulfilment.parcels p using (parcel_id) where p.order_id = a.order_id) l
cross join lateral (select sum(l.picked) units from fulfilment.pick_tasks t join fulfilment.pick_lines l using (task_id)
                    where t.order_id = a.order_id) u"""


class Mismatch(RuntimeError):
    """What the audit found: the run is void."""


def measure(folder: Path, *, seconds: float, rounds: int) -> list[Row]:
    """A row per number of callers: medians of the rounds, with their range. Raises Mismatch."""
    shutil.rmtree(folder, ignore_errors=True)
    os.environ.pop("KEPT_CLOCK", None)
    stack = configured(folder, servers_only=False)
    stack.up(attached=True)
    try:
        return asyncio.run(_measure(folder.resolve(), seconds, rounds))
    finally:
        stack.down()


async def _measure(folder: Path, seconds: float, rounds: int) -> list[Row]:
    house = House.at(folder)
    async with house.http, Storefront(house) as shop, Floor(house) as floor:
        await _open(house, shop)
        await floor.look_for_departures()
        shift = Shift(floor, itertools.count())
        await shift.work(8, seconds / 3)
        rates: dict[int, list[tuple[float, list[float]]]] = {callers: [] for callers in WANTED}
        for number in range(rounds):
            for callers in list(WANTED) if number % 2 == 0 else list(reversed(WANTED)):
                began = time.perf_counter()
                waits = await shift.work(callers, seconds)
                rates[callers].append((len(waits) / (time.perf_counter() - began), waits))
                print(f"  round {number + 1}: {callers} callers: {rates[callers][-1][0]:.1f} orders/s", flush=True)
        await _audit(house, shift.done)
    return [_row(callers, runs) for callers, runs in rates.items()]


async def _open(house: House, shop: Storefront) -> None:
    planner = house.caller("planner", "planner-1")
    for code, body in opening.carrier_services().items():
        await planner.ask("PUT", "fulfilment", f"/v1/carrier-services/{code}", {**body, "closed_on": []}, expect=(200, 201))
    await shop.list_items(item.listed() for item in day.items().values())
    await asyncio.sleep(5)
    await opening.receive(house, {ITEM: _UNITS})
    await asyncio.sleep(3)


async def _audit(house: House, done: dict[str, str]) -> None:
    """Each client id has one order, delivered, one parcel and one label (the charge); the stock of the item lacks what was picked, and no more."""
    connection = await asyncpg.connect(house.stack["database"])
    orders, open_ones, parcels, labels, units = await connection.fetchrow(_AUDIT, list(done.values()), list(done))
    await connection.close()
    stock = (await house.caller("planner", "planner-1", site=day.SITE).get("fulfilment", f"/v1/stock/{ITEM}?site={day.SITE}")).json()
    found = {"not one order": orders, "not delivered": open_ones, "not one parcel": parcels, "not one label": labels, "units": units - len(done)}
    if any(found.values()):
        raise Mismatch(f"of {len(done)} orders: {found}; the stock says {stock}")
    print(f"  audit: {len(done)} orders, each with one parcel, one label, delivered; {units} units picked", flush=True)


def _row(callers: int, runs: list[tuple[float, list[float]]]) -> Row:
    rates = sorted(rate for rate, _ in runs)
    waits = sorted(wait * 1000 for _, each in runs for wait in each)
    more: dict[str, Any] = {"lowest": round(rates[0], 1), "highest": round(rates[-1], 1)}
    more |= {f"p{share}_ms": round(waits[min(len(waits) - 1, len(waits) * share // 100)]) for share in (50, 95)}
    peers = {name: by_callers[callers] for name, by_callers in ELSEWHERE.items()}
    name = f"whole chain by public HTTP, {callers} callers"
    return Row(name, "orders/s", round(statistics.median(rates), 1), peers, elsewhere=True, wanted=Wanted(WANTED[callers]), more=more)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long one window is")
    parser.add_argument("--rounds", type=int, default=3, help="windows per number of callers")
    arguments = parser.parse_args()
    rows = measure(VAR / "bench-public", seconds=arguments.seconds, rounds=arguments.rounds)
    write(VAR / "bench.json", rows)
    show(Console(width=150, highlight=False), rows)


if __name__ == "__main__":
    main()
