"""Changes of orders and pull-backs in PostgreSQL. A change that is prepared holds its order (`holds.py`), in the same commit."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.fulfilment.amending.domain import Amendment, AmendmentPrepared, AmendmentRefused, AmendmentState, PullBack, Reason
from services.fulfilment.amending.ports import Changes
from services.fulfilment.floor.domain.task import Item
from services.fulfilment.floor.ports import Who
from services.fulfilment.floor.store import catalogue
from services.fulfilment.holds import hold_for_changes, settle_changes
from services.fulfilment.shipping.store import ShippingStore, drop_parcel
from services.fulfilment.stock.domain import Part, Place
from services.fulfilment.stock.queries import instead
from services.kit.database import Transaction
from services.kit.failpoints import ARMED, hit
from services.kit.values import NotFound

_OPEN = """
select order_id, amendment_id, state, site, skus, bins, quantities, reason, sentence, substitutes, expected, decided_at
from amendments where (order_id = any($1::uuid[]) and state = 'prepared') or amendment_id = any($2::uuid[])
order by order_id, amendment_id for update"""
_WRITE = """
insert into amendments (order_id, amendment_id, state, site, skus, bins, quantities, reason, sentence, substitutes, expected, decided_at)
select order_id, amendment_id, state, site, skus, bins, quantities, reason, sentence, substitutes, expected, decided_at
from json_populate_recordset(null::amendments, $1::json)
on conflict (order_id, amendment_id) do update
set state = excluded.state, skus = excluded.skus, bins = excluded.bins, quantities = excluded.quantities"""
_PULL_BACK = """
insert into pull_backs (pull_back_id, order_id, task_id, site, sku, bin, quantity, since)
select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::int[], $8::timestamptz[])"""
_LOCK_PULL_BACK = """
select pull_back_id, order_id, task_id, site, sku, bin, quantity, since, done_at, done_by from pull_backs where pull_back_id = $1 for update"""
_DONE = "update pull_backs set done_at = $2, done_by = $3, scan_id = $4 where pull_back_id = $1"


@dataclass(frozen=True, slots=True)
class AmendSql:
    """The changes of one transaction. Who opened it flushes what shipping's store says; nothing is said here."""

    work: Transaction
    shipping: ShippingStore

    async def open(self, orders: Collection[UUID], requests: Collection[UUID]) -> Changes:
        """The prepared changes of these orders, and what was answered to these requests, locked. The orders' tasks are."""
        rows = await self.work.connection.fetch(_OPEN, sorted(orders), sorted(requests)) if orders else ()
        return Changes({(row["order_id"], row["amendment_id"]): _amendment(row) for row in rows})

    async def look_at(self, changes: Changes, orders: Collection[UUID], places: Collection[Place]) -> None:
        """Put in how far these orders are on their way, locked, and what there is in place of these items. The shelves are locked."""
        changes.shipments = (await self.shipping.open_book(orders, ())).shipments
        changes.instead = await instead(self.work, places, self.work.now)

    async def record(self, changes: Changes) -> None:
        """Write what changed."""
        written = [changes.known[key] for key in changes.changed]
        if written:
            self.work.write(_WRITE, msgspec.json.encode([_row(amendment) for amendment in written]).decode())
            hold_for_changes(self.work, [each.key for each in written if each.state is AmendmentState.PREPARED])
            settle_changes(self.work, [each.key for each in written if each.state in (AmendmentState.COMMITTED, AmendmentState.UNDONE)])
            if ARMED and any(each.state is AmendmentState.PREPARED for each in written):
                hit("amendment.prepared", *(each.answer.amendment_id for each in written))
            if ARMED and any(each.state is AmendmentState.COMMITTED for each in written):
                hit("amendment.settled", *(each.answer.amendment_id for each in written))
        if changes.pulled:
            rows = [(p.pull_back_id, p.order_id, p.task_id, p.site, p.sku, p.bin, p.quantity, p.since) for p in changes.pulled]
            self.work.write(_PULL_BACK, *(list(column) for column in zip(*rows, strict=True)))
        for parcel_id in changes.opened:
            if not await drop_parcel(self.work, parcel_id):
                raise AssertionError(f"parcel {parcel_id} got a label while its order was about to be changed")


@dataclass(frozen=True, slots=True)
class PullBacksSql:
    """The pull-backs of one transaction."""

    work: Transaction

    @property
    def now(self) -> datetime:
        """The business instant."""
        return self.work.now

    async def lock(self, pull_back_id: UUID, who: Who) -> PullBack:
        """The pull-back, locked. Raises NotFound, also for one of another site."""
        row = await self.work.connection.fetchrow(_LOCK_PULL_BACK, pull_back_id)
        if row is None or who.site not in (None, row["site"]):
            raise NotFound
        return PullBack(**row)

    async def items(self, site: str, code: str) -> Sequence[Item]:
        """All that answer to the code."""
        return (await catalogue(self.work, site, [code])).by_code[code]

    def put_away(self, done: PullBack, scan_id: UUID) -> None:
        """Its units lie in their bin again, as that scan shows."""
        self.work.write(_DONE, done.pull_back_id, done.done_at, done.done_by, scan_id)


def _amendment(row: Any) -> Amendment:
    key = row["order_id"], row["amendment_id"]
    answer = (
        AmendmentRefused(*key, Reason(row["reason"]), row["sentence"], row["substitutes"], row["expected"])
        if row["reason"]
        else AmendmentPrepared(*key, row["decided_at"])
    )
    apart = [Part(0, *part) for part in zip(row["skus"], row["bins"], row["quantities"], strict=True)]
    return Amendment(AmendmentState(row["state"]), row["site"], answer, row["decided_at"], tuple(apart))


def _row(amendment: Amendment) -> dict[str, object]:
    answer, apart = amendment.answer, amendment.apart
    refused = isinstance(answer, AmendmentRefused)
    told = {name: getattr(answer, name) for name in ("reason", "sentence", "substitutes", "expected")} if refused else {}
    return {
        "order_id": answer.order_id, "amendment_id": answer.amendment_id, "state": amendment.state, "site": amendment.site,
        "decided_at": amendment.decided_at, "skus": [part.sku for part in apart], "bins": [part.bin for part in apart],
        "quantities": [part.quantity for part in apart], **told,
    }  # fmt: skip
