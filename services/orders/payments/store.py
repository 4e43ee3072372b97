"""What is owed by promise, in SQL: taken over in the transaction that hears of it, and paid in steps, each in a transaction of its own.

Locks: rows of `refunds`, then orders by id. The order's lock is what makes two refunds of it look at each other.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.kit.database import Database, Transaction
from services.kit.ids import uuid7
from services.kit.promise.duties import Bound, Report, What, report
from services.kit.promise.state import Department, Kind, Promise, Risk
from services.kit.values import Money
from services.orders.payments.domain import KINDS, Owed, Payment, Reason, State, Way, decide, still_wanted
from services.orders.payments.ports import Asked

_TAKE = """
insert into refunds (promise_id, order_id, customer_id, kind, quantity, amount_minor, currency, cause, state, wanted, owed_at)
select *, $10 from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::int[], $6::bigint[], $7::text[], $8::uuid[], $9::text[])
    as t (promise_id, order_id, customer_id, kind, quantity, amount_minor, currency, cause, state), lateral (select state = 'owed') as w (wanted)
order by promise_id
on conflict (promise_id) do update set wanted = refunds.wanted and excluded.wanted,
    state = case when excluded.wanted or refunds.state in ('asked', 'paid') then refunds.state else 'withdrawn' end,
    reason = case when excluded.wanted or refunds.state <> 'refused' then refunds.reason end"""
_READY = """
select promise_id, order_id, customer_id, kind, amount_minor, currency, cause from refunds r
where state = 'owed' and (kind = 'credit' or kind = 'refund' and not exists (
    select from orders o where o.order_id = r.order_id and o.payment_state <> 'captured' and o.state <> 'cancelled' and o.total_minor > 0))
order by number limit $1 for update skip locked"""
_ORDERS = """
select order_id, payment_state, payment_reference, state, total_minor, paid_minor, currency from orders where order_id = any ($1::uuid[])
order by order_id for no key update"""
_ADDED = """
select order_id, payment_reference, paid_minor from amendments
where order_id = any ($1::uuid[]) and status <> 'pending' and paid_minor > 0 and payment_reference is not null order by decided_at, amendment_id"""
_REFUNDED = """
select order_id, payment_reference, amount_minor from refunds
where order_id = any ($1::uuid[]) and paid_by = 'card' and state in ('asked', 'paid')"""
_ASK = """
update refunds r set state = 'asked', paid_by = 'card', payment_reference = a.reference, tries = 1, tried_at = clock_timestamp()
from unnest($1::uuid[], $2::text[]) as a (promise_id, reference) where r.promise_id = a.promise_id"""
_ENTER = """
insert into credit_entries (entry_id, promise_id, customer_id, currency, delta_minor, entered_at)
select *, $6 from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[]) on conflict (promise_id) do nothing"""
_CREDITED = """
update refunds r set state = 'paid', paid_by = 'account', evidence_id = e.entry_id::text, settled_at = $2
from credit_entries e where e.promise_id = r.promise_id and r.promise_id = any ($1::uuid[]) and r.state = 'owed'
returning r.promise_id, r.kind, r.quantity, r.evidence_id"""
_REFUSE = """
update refunds r set state = 'refused', reason = w.reason, settled_at = $3
from unnest($1::uuid[], $2::text[]) as w (promise_id, reason) where r.promise_id = w.promise_id and r.state in ('owed', 'asked')
returning r.promise_id"""
_PAID = """
update refunds set state = 'paid', evidence_id = $2, settled_at = $3 where promise_id = $1 and state = 'asked'
returning promise_id, kind, quantity, evidence_id"""
_WITHDRAW = "update refunds set state = 'withdrawn', settled_at = $2 where promise_id = $1 and state = 'asked' and not wanted"
_UNSETTLED = """
update refunds set tries = tries + 1, tried_at = clock_timestamp() where promise_id in (
    select promise_id from refunds where state = 'asked' and tried_at < clock_timestamp() - make_interval(secs => $1)
    order by tried_at limit $2 for update skip locked)
returning promise_id, payment_reference, amount_minor, currency, wanted"""
_DIFFERING = """
select r.promise_id from refunds r left join promise_view v using (promise_id), lateral (select v.made::jsonb as said) s
where (r.order_id, r.customer_id, r.quantity, r.cause, r.currency) is distinct from ((said ->> 'order_id')::uuid, (said ->> 'customer_id')::uuid,
    (said ->> 'quantity')::int, (said ->> 'cause')::uuid, said ->> 'currency')
   or r.kind <> 'free_text' and (r.kind is distinct from said ->> 'kind' or not exists (
        select from jsonb_array_elements(said -> 'duties') duty
        where duty ->> 'department' = 'payments' and (duty ->> 'amount_minor')::bigint = r.amount_minor))"""

_EVIDENCE = {Kind.REFUND: "refunded", Kind.CREDIT: "credited"}


async def take(work: Transaction, bound: Sequence[Bound]) -> None:
    """A row for each promise whose duty is ours; where it is not wanted any more, it is withdrawn unless the money is on its way. May run twice."""
    rows = [_row(each.promise) for each in bound]
    await work.connection.execute(_TAKE, *(list(column) for column in zip(*rows, strict=True)), work.now)


async def differing(database: Database) -> list[UUID]:
    """The promises whose row here is not what the view of the promises says."""
    return [row["promise_id"] for row in await database.pool.fetch(_DIFFERING)]


@dataclass(frozen=True, slots=True)
class Refunds:
    """The port `RefundBook`."""

    database: Database

    async def begin(self, limit: int) -> tuple[list[Asked], int]:
        async with self.database.transaction() as work:
            ready = [_owed(row) for row in await work.connection.fetch(_READY, limit)]
            payments = await _payments(work, {owed.order_id for owed in ready if owed.kind is Kind.REFUND and owed.order_id})
            ways = {owed: _decide(owed, payments) for owed in ready}
            await _credit(work, [owed for owed, (way, _) in ways.items() if way is Way.ACCOUNT])
            await _refuse(work, [(owed.promise_id, way) for owed, (way, _) in ways.items() if isinstance(way, Reason)])
            asked = [Asked(owed.promise_id, reference, owed.amount, wanted=True) for owed, (_, reference) in ways.items() if reference]
            if asked:
                await work.connection.execute(_ASK, [each.promise_id for each in asked], [each.payment_reference for each in asked])
        return asked, sum(way is not None for way, _ in ways.values())

    async def unsettled(self, older_than_seconds: int, limit: int) -> list[Asked]:
        rows = await self.database.pool.fetch(_UNSETTLED, older_than_seconds, limit)
        return [Asked(row["promise_id"], row["payment_reference"], Money(row["amount_minor"], row["currency"]), wanted=row["wanted"]) for row in rows]

    async def paid(self, promise_id: UUID, refund_id: str) -> None:
        async with self.database.transaction() as work:
            _show(work, await work.connection.fetch(_PAID, promise_id, refund_id, work.now))

    async def refuse(self, promise_id: UUID, reason: Reason) -> None:
        async with self.database.transaction() as work:
            await _refuse(work, [(promise_id, reason)])

    async def withdraw(self, promise_id: UUID) -> None:
        async with self.database.transaction() as work:
            await work.connection.execute(_WITHDRAW, promise_id, work.now)


def _row(promise: Promise) -> tuple[object, ...]:
    said = promise.said
    amount = next((duty.amount_minor for duty in said.duties if duty.department is Department.PAYMENTS), None)
    kind = said.kind if said.kind in KINDS and amount and said.currency else Kind.FREE_TEXT
    state = State.OWED if still_wanted(promise) else State.WITHDRAWN
    return promise.promise_id, said.order_id, said.customer_id, kind, said.quantity, amount, said.currency, said.cause, state


def _owed(row: Any) -> Owed:
    amount = Money(row["amount_minor"], row["currency"])
    return Owed(row["promise_id"], row["order_id"], row["customer_id"], Kind(row["kind"]), amount, row["cause"])


async def _payments(work: Transaction, order_ids: Iterable[UUID]) -> dict[UUID, Payment]:
    """By order, locked, with what was given back before: read by statements of their own, once nobody else can add to it."""
    ids = sorted(order_ids)
    if not ids:
        return {}
    orders = await work.connection.fetch(_ORDERS, ids)
    left = {row["order_id"]: Counter({row["payment_reference"]: row["paid_minor"]}) for row in orders}
    for row in await work.connection.fetch(_ADDED, ids):
        of_order = left[row["order_id"]]
        of_order[next(iter(of_order))] -= row["paid_minor"]
        of_order[row["payment_reference"]] += row["paid_minor"]
    for row in await work.connection.fetch(_REFUNDED, ids):
        of_order = left[row["order_id"]]
        of_order[row["payment_reference"] if row["payment_reference"] in of_order else next(iter(of_order))] -= row["amount_minor"]
    return {row["order_id"]: _payment(row, left[row["order_id"]]) for row in orders}


def _payment(row: Any, left: Mapping[str, int]) -> Payment:
    is_captured = row["payment_state"] == "captured"
    awaited = not is_captured and row["state"] != "cancelled" and row["total_minor"] > 0
    return Payment(row["currency"], row["paid_minor"] if is_captured else 0, left, awaited)


def _decide(owed: Owed, payments: dict[UUID, Payment]) -> tuple[Way | Reason | None, str | None]:
    """As the domain decides, each on what those before it have left; and the payment that is given back, where it is one."""
    payment = payments.get(owed.order_id) if owed.order_id else None
    way = decide(owed, payment)
    if way is not Way.CARD or payment is None or owed.order_id is None:
        return way, None
    reference = payment.bearer(owed.amount.amount_minor)
    assert reference, "it was decided because one bears it"
    payments[owed.order_id] = payment.without(reference, owed.amount.amount_minor)
    return way, reference


async def _credit(work: Transaction, owed: Sequence[Owed]) -> None:
    """Put to the customers' accounts, once per promise, and reported with it."""
    if not owed:
        return
    rows = [(uuid7(), each.promise_id, each.customer_id, each.amount.currency, each.amount.amount_minor) for each in owed]
    await work.connection.execute(_ENTER, *(list(column) for column in zip(*rows, strict=True)), work.now)
    _show(work, await work.connection.fetch(_CREDITED, [each.promise_id for each in owed], work.now))


async def _refuse(work: Transaction, refused: Sequence[tuple[UUID, Reason]]) -> None:
    if refused:
        rows = await work.connection.fetch(_REFUSE, [id for id, _ in refused], [reason for _, reason in refused], work.now)
        report(work, [Report(row["promise_id"], Department.PAYMENTS, What.AT_RISK, reason=Risk.SHORT) for row in rows])


def _show(work: Transaction, rows: Sequence[Any]) -> None:
    """Report what was paid."""
    report(
        work,
        [
            Report(
                row["promise_id"], Department.PAYMENTS, What.EVIDENCE, type=_EVIDENCE[Kind(row["kind"])], id=row["evidence_id"],
                quantity=row["quantity"], at=work.now,
            )
            for row in rows
        ],
    )  # fmt: skip
