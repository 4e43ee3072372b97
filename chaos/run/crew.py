"""Warehouse people at the bed: a picker who takes orders from the shelf to the lane and puts away what changed orders no longer want, a loader who
sends the trailers off; and the carrier, who is quick to be at the door. Each command is asked for until it is answered; an answer that says no ends
the work on that parcel or that trailer.
"""

import asyncio
import itertools
from collections.abc import Iterable
from typing import Any

import httpx

from chaos.run.amender import Amender
from chaos.run.carrier import Carrier
from chaos.run.client import Client
from demo import day
from demo.house import Caller
from services.kit.ids import uuid7

_CARTON, _WEIGHT_GRAMS = "L2", 60_000
_SCANS = 100
_PAUSE_SECONDS = 1.0
_PARCELS_A_TRAILER = 5
_AMENDED_IN_THE_BOX = 4
"""Of so many orders one is amended when it is packed."""


class Crew:
    """One picker and one loader. Every third label is bought twice: it came out of the printer torn, and was voided. Of what is to be put away one
    pull-back at a time stays on its cart."""

    def __init__(self, client: Client, amender: Amender) -> None:
        self._client, self._amender = client, amender
        self._picker = client.house.caller("picker", "picker-at-work", site=day.SITE)
        self._loader = client.house.caller("loader", "loader-at-work", site=day.SITE)
        self._carrier = Carrier(client)
        self._put_back: dict[str, str] = {}
        """The scan by which each pull-back is put away, however often it is asked for."""
        self._codes = {item.sku: item.barcode for item in day.items().values()}

    async def work(self) -> None:
        """Until cancelled."""
        for number in itertools.count(1):
            await self._take_to_the_lane(torn=number % 3 == 0, changes=number % _AMENDED_IN_THE_BOX == 0)
            if number % _PARCELS_A_TRAILER == 0:
                await self._put_away()
                await self._send_off()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _take_to_the_lane(self, *, torn: bool, changes: bool) -> None:
        claim = {"claim_id": str(uuid7()), "site": day.SITE}
        task = await self._pick("claim", "/v1/pick-tasks:claim-next", claim, {**claim, "picker": "picker-at-work"})
        if not task:
            return
        held = {"task_id": task["task_id"], "fence": task["fence"], "picker": "picker-at-work"}
        here, parcel = f"/v1/pick-tasks/{task['task_id']}", str(uuid7())
        scans = [self._scan(stop) for stop in task["lines"] if stop["picked"] < stop["quantity"]]
        for at in range(0, len(scans), _SCANS):
            some = {"fence": task["fence"], "scans": scans[at : at + _SCANS]}
            if not await self._pick("scan", f"{here}/scans:batch", some, held | {"scans": some["scans"]}):
                return
        packing = {"parcel_id": parcel, "fence": task["fence"], "carton": _CARTON, "weight_grams": _WEIGHT_GRAMS, "weight_confirmed": True}
        if await self._pick("pack", f"{here}/pack", packing, held | {"parcel_id": parcel}):
            if changes:
                await self._amender.amend(task["order_id"])
            await self._label(f"/v1/parcels/{parcel}", torn)

    async def _put_away(self) -> None:
        for row in (await self._look(f"/v1/pull-backs?site={day.SITE}", self._picker)).get("pull_backs", ())[1:]:
            scan_id = self._put_back.setdefault(row["pull_back_id"], str(uuid7()))
            scan = {"scan_id": scan_id, "code": self._codes[row["sku"]], "bin": row["bin"]}
            await self._pick("put_away", f"/v1/pull-backs/{row['pull_back_id']}/done", scan)

    async def _label(self, parcel: str, torn: bool) -> None:
        label = await self._pick("label", f"{parcel}/label", {})
        if label and torn and await self._pick("void", f"{parcel}/label/void", {}):
            label = await self._pick("label", f"{parcel}/label", {})
        if label:
            await self._pick("stage", f"{parcel}/stage", {"lane": label["carrier_service"].upper()[:16]})

    def _scan(self, stop: dict[str, Any]) -> dict[str, Any]:
        return {"scan_id": str(uuid7()), "code": self._codes[stop["sku"]], "quantity": stop["quantity"] - stop["picked"], "bin": stop["bin"]}

    async def _send_off(self) -> None:
        """A trailer for each departure that parcels stand ready for: loaded, closed, told to the carrier, handed over."""
        for row in (await self._look(f"/v1/departures?site={day.SITE}")).get("departures", ()):
            if row["staged"]:
                list_id = str(uuid7())
                opened = {"load_list_id": list_id, "carrier_service": row["carrier_service"], "departs_at": row["departs_at"]}
                if await self._load("load_list", "/v1/load-lists", opened):
                    await self._fill(f"/v1/load-lists/{list_id}", row["carrier_service"].partition("-")[0])

    async def _fill(self, trailer: str, carrier: str) -> None:
        loaded = _staged((await self._look(trailer)).get("missing", ()))
        for parcel in loaded:
            await self._load("load", f"{trailer}/loads", {"scan_id": str(uuid7()), "barcode": parcel["barcode"]})
        closed = await self._load("close", f"{trailer}/close", {})
        for manifest in closed.get("manifests", ()):
            await self._load("manifest", f"/v1/manifests/{manifest}/close", {})
        if closed and await self._load("hand_over", f"{trailer}/hand-over", {}):
            for parcel in loaded:  # the barcode is the carrier's number
                await self._carrier.tell(carrier, parcel["barcode"], "accepted")
                await self._carrier.tell(carrier, parcel["barcode"], "delivered")

    async def _pick(self, op: str, path: str, body: dict[str, Any], told: dict[str, Any] | None = None) -> dict[str, Any]:
        return _said(await self._client.post(op, self._picker, "fulfilment", path, body, told=told))

    async def _load(self, op: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return _said(await self._client.post(op, self._loader, "fulfilment", path, body))

    async def _look(self, path: str, caller: Caller | None = None) -> dict[str, Any]:
        house = self._client.house
        try:
            return _said(await house.http.get(house.url("fulfilment", path), headers=(caller or self._loader).headers))
        except httpx.HTTPError:
            return {}  # looked at again with the next parcels


def _staged(parcels: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [parcel for parcel in parcels if parcel["state"] == "staged"]


def _said(answer: httpx.Response | None) -> dict[str, Any]:
    """The body of a yes; nothing for a no."""
    if answer is None or answer.status_code not in (200, 201):
        return {}
    told: dict[str, Any] = answer.json()
    return told
