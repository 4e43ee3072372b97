"""An agent at the bed, who promises, keeps some of it, and asks again with the same key until there is an answer; and whether all of it stands in the
ledger, once, and the same in every department.
"""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg

from chaos.bed.bed import Bed
from chaos.run.client import Client
from services.kit.ids import named_uuid, uuid7
from services.promises.commands import verify_live
from services.promises.ledger.board import VIEWS

AGREED_SECONDS = 30.0
"""From when nothing is left to be read, until every department holds the same."""

_PAUSE_SECONDS = 0.5
_MADE = """
select promise_id::text, position from promises.ledger_entries where seq = 1 and line::json -> 'body' ->> 'cause' is null"""
_OWED = "select refund_id::text from orders.amendments where refund_minor > 0"
"""What orders itself has the ledger promise; the auditor holds these against what they are owed for."""
_DIFFERS = """
select coalesce(v.promise_id, p.promise_id)::text from {view}.promise_view v full join promises.ledger_promises p using (promise_id)
where (v.seq, v.position, v.standing::jsonb) is distinct from (p.seq, p.position, p.standing::jsonb)"""


class Promiser:
    """`receipts` are what was answered, by promise; `asked` all that was ever asked for."""

    def __init__(self, client: Client) -> None:
        self._client, self._agent = client, client.house.caller("service", "care-desk")
        self.asked: set[str] = set()
        self.receipts: dict[str, dict[str, Any]] = {}
        self.differing: list[str] = []

    async def work(self) -> None:
        """Until cancelled."""
        for number in itertools.count():
            await self._promise(number)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _promise(self, number: int) -> None:
        promise_id, key = str(uuid7()), str(uuid7())
        due = (datetime.now(UTC) + timedelta(seconds=90)).strftime("%Y-%m-%dT%H:%M")
        body = {
            "promise_id": promise_id, "customer_id": str(named_uuid("chaos", str(number % 97))), "order_id": str(uuid7()), "kind": "call_back",
            "due": {"said": due, "zone": "UTC"}, "currency": "EUR",
        }  # fmt: skip
        self.asked.add(promise_id)
        for _ in range(2 if number % 5 == 0 else 1):
            if (told := await self._post("promise", "/v1/promises", body, key)) is not None:
                first = self.receipts.setdefault(promise_id, told)
                self.differing += [promise_id] if first != told else []
        if number % 3 == 0 and promise_id in self.receipts:
            shown = {"id": str(uuid7()), "type": "called", "at": datetime.now(UTC).isoformat()}
            await self._post("show", f"/v1/promises/{promise_id}/evidence", shown, str(uuid7()))

    async def _post(self, op: str, path: str, body: dict[str, Any], key: str) -> dict[str, Any] | None:
        answered = await self._client.post(op, self._agent, "promises", path, body, key=key)
        if answered is None or answered.status_code not in (200, 201):
            return None
        told: dict[str, Any] = answered.json()
        return told

    async def until_all_agree(self) -> float:
        """Seconds until every department held what the ledger held when this was asked: what falls due since then goes on being written. Raises
        TimeoutError."""
        loop = asyncio.get_running_loop()
        began, position = loop.time(), None
        while not _agreed(board := await self._board(), position):
            position = position or board.get("position")
            if loop.time() - began > AGREED_SECONDS:
                raise TimeoutError(f"not agreed after {AGREED_SECONDS:.0f} s: {board}")
            await asyncio.sleep(0.5)
        return loop.time() - began

    async def _board(self) -> dict[str, Any]:
        try:
            board: dict[str, Any] = (await self._agent.get("promises", "/v1/agreement")).json()
        except httpx.HTTPError as error:
            return {"away": type(error).__name__}
        return board

    def violations(self, bed: Bed) -> list[str]:
        """What does not stand as it was answered, or not everywhere the same. To be asked once all stands still."""
        with psycopg.connect(bed.told["database"]) as connection:
            made: dict[str, int] = dict(connection.execute(_MADE).fetchall())
            owed = {row[0] for row in connection.execute(_OWED).fetchall()}
            differs = {view: [row[0] for row in connection.execute(_DIFFERS.format(view=view)).fetchall()] for view in VIEWS}
        found = [f"promise {id} was answered with position {told['position']}, where {made.get(id)} is" for id, told in self.receipts.items()
                 if made.get(id) != told["position"]]  # fmt: skip
        found += [f"promise {id} was never asked for" for id in made.keys() - self.asked - owed]
        found += [f"promise {id} was answered in two ways" for id in self.differing]
        found += [f"promise {id} is not the same in {view}" for view, ids in differs.items() for id in ids]
        if (fault := verify_live(bed.told["database"]).fault) is not None:
            found.append(f"entry {fault.position} of the ledger: {fault.what}")
        return [f"ledger: {each}" for each in found]


def _agreed(board: dict[str, Any], position: int | None) -> bool:
    """Whether each view told that it holds the same, at this position or behind it."""
    views = board.get("views", [])
    return (
        position is not None
        and len(views) == len(VIEWS)
        and all(each["state"] in ("agrees", "behind") and each["position"] >= position for each in views)
    )
