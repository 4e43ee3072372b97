"""From a promise asked for to its row in every department's view, through a whole stack: asked by HTTP, written, told on the topic, heard."""

import asyncio
import time
from pathlib import Path
from uuid import uuid4

import asyncpg

from bench import shops
from bench.ledger_http import call_back
from bench.report import Row, Wanted
from demo.house import Caller, House
from services.kit.ids import uuid7

PER_SECOND = 30
VIEWS = ("orders", "fulfilment", "loyalty", "notifications")
_LOOK_SECONDS = 0.01
_PATIENCE_SECONDS = 30.0
_REACHED = "select " + ", ".join(f"(select position from {view}.promise_view_state) as {view}" for view in VIEWS)


def measure(folder: Path, kafka: str, admin: str, *, seconds: float) -> list[Row]:
    """Until the last of the views has it. `admin` is the address of an empty database."""
    with shops.running(folder, kafka, admin, f"bench-{uuid4().hex[:8]}.") as house:
        waits = asyncio.run(_waits(house, admin, round(PER_SECOND * seconds)))
    late = sorted(max(each.values()) for each in waits)
    more = {"p50": late[len(late) // 2], "promises": len(late)}
    more |= {f"p99 {view}": round(_p99(sorted(each[view] for each in waits)), 3) for view in VIEWS}
    name = f"ledger: promised to seen by every department, {PER_SECOND} promises/s, p99"
    return [Row(name, "s", round(_p99(late), 3), less_is_better=True, wanted=Wanted(1, at_most=True), more=more)]


async def _waits(house: House, admin: str, count: int) -> list[dict[str, float]]:
    """Of each promise, the seconds from its request until each view has it."""
    service = house.caller("service", "bench")
    connection = await asyncpg.connect(admin)
    reached: dict[str, dict[int, float]] = {view: {} for view in VIEWS}
    looking = asyncio.create_task(_look(connection, reached))
    async with house.http:
        await _promise(service, 0.0)  # what is made at the first request is made
        began = time.perf_counter()
        asked = await asyncio.gather(*(_promise(service, began + number / PER_SECOND) for number in range(count)))
        last = max(position for position, _ in asked)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while any(max(seen, default=0) < last for seen in reached.values()):  # noqa: ASYNC110  # another task looks
                await asyncio.sleep(_LOOK_SECONDS)
    looking.cancel()
    await asyncio.wait({looking})
    await connection.close()
    return [{view: _first(seen, position) - at for view, seen in reached.items()} for position, at in asked]


async def _promise(service: Caller, at: float) -> tuple[int, float]:
    """Its position, and when it was asked for."""
    await asyncio.sleep(max(0.0, at - time.perf_counter()))
    id, began = str(uuid7()), time.perf_counter()
    answered = await service.post("promises", "/v1/promises", call_back(id), idempotency_key=id)
    return int(answered.json()["position"]), began


async def _look(connection: "asyncpg.Connection[asyncpg.Record]", reached: dict[str, dict[int, float]]) -> None:
    while True:
        row, now = await connection.fetchrow(_REACHED), time.perf_counter()
        for view, seen in reached.items():
            seen.setdefault(row[view], now)
        await asyncio.sleep(_LOOK_SECONDS)


def _first(seen: dict[int, float], position: int) -> float:
    """When the view was first seen to have come so far."""
    return min(at for reached, at in seen.items() if reached >= position)


def _p99(waits: list[float]) -> float:
    return waits[len(waits) * 99 // 100]
