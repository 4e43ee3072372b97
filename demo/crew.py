"""The warehouse: pickers who walk, scan, pack, label and stage; a loader who fills the trailers and closes them when the truck goes."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from demo import day, opening
from demo.driver import Driver
from demo.house import House
from services.kit.ids import uuid7

WALK, SCAN, BENCH = timedelta(seconds=30), timedelta(seconds=12), timedelta(minutes=1)
_BEFORE_DEPARTURE = (timedelta(minutes=20), timedelta(minutes=3))
_CARTONS = ((1_000, "S1"), (4_000, "S2"), (10_000, "M1"), (25_000, "M2"), (50_000, "L1"))


class Picker:
    """One person with one scanner: one order at a time. `done` is told when a parcel stands in its lane."""

    def __init__(self, house: House, driver: Driver, name: str, idle: Callable[["Picker"], None]) -> None:
        self._caller = house.caller("picker", name, site=day.SITE)
        self._driver, self._idle = driver, idle
        self._codes = {item.sku: item.barcode for item in day.items().values()}
        self.scans = 0

    async def next_task(self) -> None:
        """Claim the task with the least slack; with none, stand by."""
        answer = await self._caller.post("fulfilment", "/v1/pick-tasks:claim-next", {"claim_id": str(uuid7()), "site": day.SITE}, expect=(200, 204))
        if answer.status_code == 204:
            self._idle(self)
            return
        task = answer.json()
        walked = self._driver.now + WALK
        stops = [(_next_minute(walked + SCAN * n), stop) for n, stop in enumerate(task["lines"], 1)]
        for minute, group in groupby(stops, key=lambda pair: pair[0]):
            self._driver.at(minute, self._scan_all(task, [stop for _, stop in group]))
        self._driver.at(stops[-1][0] + BENCH, self._pack(task))

    def _scan_all(self, task: dict[str, Any], stops: Iterable[dict[str, Any]]) -> Callable[[], Any]:
        async def scan() -> None:
            for stop in stops:
                body = {
                    "scan_id": str(uuid7()), "fence": task["fence"], "code": self._codes[stop["sku"]], "quantity": stop["quantity"],
                    "bin": stop["bin"], "device": "scanner",
                }  # fmt: skip
                await self._caller.post("fulfilment", f"/v1/pick-tasks/{task['task_id']}/scans", body)
                self.scans += 1

        return scan

    def _pack(self, task: dict[str, Any]) -> Callable[[], Any]:
        async def pack() -> None:
            weight = sum(day.items()[stop["sku"]].weight_grams * stop["quantity"] for stop in task["lines"])
            carton = next((name for grams, name in _CARTONS if weight <= grams), "L2")
            parcel = str(uuid7())
            body = {"parcel_id": parcel, "fence": task["fence"], "carton": carton, "weight_grams": weight + 100, "weight_confirmed": True}
            await self._caller.post("fulfilment", f"/v1/pick-tasks/{task['task_id']}/pack", body)
            label = (await self._caller.post("fulfilment", f"/v1/parcels/{parcel}/label")).json()
            await self._caller.post("fulfilment", f"/v1/parcels/{parcel}/stage", {"lane": label["carrier_service"].upper()[:16]})
            await self.next_task()

        return pack


class Crew:
    """The pickers of a day. Those who stand by are woken when there is something to pick."""

    def __init__(self, house: House, driver: Driver, pickers: int) -> None:
        self._driver = driver
        self._waiting: list[Picker] = []
        self.pickers = [Picker(house, driver, f"picker-{n}", self._waiting.append) for n in range(1, pickers + 1)]
        self._waiting.extend(self.pickers)

    async def wake(self) -> None:
        """Whoever stands by looks for work once."""
        await self._driver.settle()
        waiting, self._waiting[:] = list(self._waiting), []
        for picker in waiting:
            await picker.next_task()

    @property
    def scans(self) -> int:
        return sum(picker.scans for picker in self.pickers)


class Loader:
    """Loads what stands in the lanes into the trailer of each departure, twice, and hands over. `handed_over` is told after each."""

    def __init__(self, house: House, driver: Driver, handed_over: Callable[[], Any]) -> None:
        self._caller = house.caller("loader", "loader-1", site=day.SITE)
        self._driver, self._handed_over = driver, handed_over
        self._lists: dict[tuple[str, datetime], str] = {}

    def plan(self, days: Iterable[int]) -> None:
        """Put every departure of these days of November 2011 on the agenda."""
        for date in days:
            for code, times in opening.DEPARTURES.items():
                for time in times:
                    self._plan(code, day.local(date, time))

    def _plan(self, code: str, departs_at: datetime) -> None:
        first, last = _BEFORE_DEPARTURE

        async def load() -> None:
            await self._load(code, departs_at)

        async def leave() -> None:
            await self._load(code, departs_at)
            await self._leave(code, departs_at)

        self._driver.at(departs_at - first, load)
        self._driver.at(departs_at - last, leave)

    async def _load(self, code: str, departs_at: datetime) -> None:
        key = (code, departs_at)
        if key not in self._lists:
            rows = (await self._caller.get("fulfilment", f"/v1/departures?site={day.SITE}")).json()["departures"]
            due = [row for row in rows if row["carrier_service"] == code and datetime.fromisoformat(row["departs_at"]) == departs_at]
            if not any(row["staged"] for row in due):
                return
            self._lists[key] = str(uuid7())
            body = {"load_list_id": self._lists[key], "carrier_service": code, "departs_at": _utc(departs_at)}
            await self._caller.post("fulfilment", "/v1/load-lists", body)
        shown = (await self._caller.get("fulfilment", f"/v1/load-lists/{self._lists[key]}")).json()
        for parcel in shown["missing"]:
            if parcel["state"] == "staged":
                body = {"scan_id": str(uuid7()), "barcode": parcel["barcode"]}
                await self._caller.post("fulfilment", f"/v1/load-lists/{self._lists[key]}/loads", body)

    async def _leave(self, code: str, departs_at: datetime) -> None:
        load_list = self._lists.get((code, departs_at))
        if load_list is None:
            return
        closed = (await self._caller.post("fulfilment", f"/v1/load-lists/{load_list}/close")).json()
        for manifest in closed["manifests"]:
            await self._caller.post("fulfilment", f"/v1/manifests/{manifest}/close")
        await self._caller.post("fulfilment", f"/v1/load-lists/{load_list}/hand-over")
        await self._handed_over()


def _next_minute(instant: datetime) -> datetime:
    return instant if not (instant.second or instant.microsecond) else instant.replace(second=0, microsecond=0) + timedelta(minutes=1)


def _utc(instant: datetime) -> str:
    return instant.astimezone(ZoneInfo("UTC")).isoformat()
