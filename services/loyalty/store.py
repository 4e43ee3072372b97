"""Loyalty's state in PostgreSQL: one batch's rows, locked in the order orders, customers, upgrades, budgets, and written back whole."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from datetime import date, datetime, time
from typing import Any, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from services.kit.database import Transaction
from services.kit.values import Cause, Heard, Money
from services.loyalty.domain import Budget, Outcome, Rules, Upgrade, holds_money
from services.loyalty.flights.domain import CarrierService, Departure, Lane
from services.loyalty.history.domain import Customer, Order
from services.loyalty.messages import TOPIC, TYPES
from services.loyalty.ports import Needs, State
from services.loyalty.tables import RULES, rules_of

Row: TypeAlias = Mapping[str, Any]

_ORDERS = "select to_json(o)::text as kept from orders_view o where order_id = any($1::uuid[]) order by order_id for update"
_KNOWN = "select customer_id from customers where customer_id = any($1::uuid[])"
_NEW_CUSTOMERS = "insert into customers (customer_id) select unnest($1::uuid[]) on conflict do nothing"
_CUSTOMERS = "select * from customers where customer_id = any($1::uuid[]) order by customer_id for update"
_UPGRADES = "select * from upgrades where order_id = any($1::uuid[]) order by order_id for update"
_ITEMS = "select sku, may_fly from items_view where sku = any($1::text[])"
_SERVICES = """
select to_json(s)::text as kept, array(
    select to_json(l)::text from unnest($2::text[], $3::text[]) d (country, postcode_prefix) join lanes_view l using (country, postcode_prefix)
    where l.carrier_service = s.carrier_service) as lanes
from carrier_services_view s where s.site = any($1::text[])"""
_NEW_DAYS = "insert into budget_days (on_date, currency, limit_minor) select *, $3 from unnest($1::date[], $2::text[]) on conflict do nothing"
_DAYS = """
select b.* from budget_days b join unnest($1::date[], $2::text[]) d (on_date, currency) using (on_date, currency)
order by on_date, currency for update of b"""

_PUT_ORDERS = """
insert into orders_view select * from unnest($1::uuid[], $2::uuid[], $3::bool[], $4::date[], $5::bool[], $6::bool[], $7::jsonb[], $8::bigint[],
                                             $9::text[], $10::text[], $11::bigint[])
on conflict (order_id) do update set state = excluded.state, version = excluded.version, chosen_on = excluded.chosen_on,
    signature_required = excluded.signature_required, po_box = excluded.po_box, skus = excluded.skus, total_minor = excluded.total_minor"""
_PUT_CUSTOMERS = """
update customers set pending = c.pending, completed = c.completed, upgraded_at = c.upgraded_at
from unnest($1::uuid[], $2::int[], $3::int[], $4::timestamptz[]) c (customer_id, pending, completed, upgraded_at)
where customers.customer_id = c.customer_id"""
_PUT_UPGRADES = """
insert into upgrades select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[],
                                          $9::timestamptz[], $10::date[], $11::text[], $12::bigint[], $13::text[], $14::int[])
on conflict (order_id) do update set state = excluded.state, reason = excluded.reason, version = excluded.version"""
_PUT_DAYS = """
update budget_days set limit_minor = b.limit_minor, reserved_minor = b.reserved, spent_minor = b.spent
from unnest($1::date[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) b (on_date, currency, limit_minor, reserved, spent)
where budget_days.on_date = b.on_date and budget_days.currency = b.currency"""
_PUT_ITEMS = """
insert into items_view select * from unnest($1::text[], $2::bool[], $3::bigint[])
on conflict (sku) do update set may_fly = excluded.may_fly, version = excluded.version where excluded.version >= items_view.version"""
_PUT_SERVICES = """
insert into carrier_services_view select * from jsonb_populate_recordset(null::carrier_services_view, $1)
on conflict (carrier_service) do update set site = excluded.site, service = excluded.service, zone = excluded.zone,
    departures = excluded.departures, closed_on = excluded.closed_on, version = excluded.version
where excluded.version >= carrier_services_view.version returning carrier_service"""
_PUT_LANES = "insert into lanes_view select * from jsonb_populate_recordset(null::lanes_view, $1)"


class PostgresStore:
    """The handlers' store over one transaction."""

    def __init__(self, work: Transaction) -> None:
        self._work, self._sql = work, work.connection

    @property
    def now(self) -> datetime:
        return self._work.now

    async def load(self, needs: Needs) -> State:
        order_ids, customer_ids = sorted(needs.order_ids), sorted(needs.customer_ids)
        rules, orders, known = await self._work.read((RULES, ()), (_ORDERS, (order_ids,)), (_KNOWN, (customer_ids,)))
        state = State(rules_of(rules), {order.order_id: order for order in map(_order, orders)})
        new = needs.customer_ids.difference(row["customer_id"] for row in known)
        if new:
            await self._sql.execute(_NEW_CUSTOMERS, sorted(new))
        customer_ids = sorted(needs.customer_ids.union(order.customer_id for order in state.orders.values()))
        # One trip locks customers and upgrades: who locks an upgrade holds its order already, so that nobody else waits for it.
        customers, upgrades, items, services = await self._work.read(
            (_CUSTOMERS, (customer_ids,)), (_UPGRADES, (order_ids,)), (_ITEMS, (_skus(needs, state),)), (_SERVICES, _journeys(needs))
        )
        state.customers = {row["customer_id"]: Customer(**row) for row in customers}
        state.upgrades = {row["order_id"]: _upgrade(row) for row in upgrades}
        state.may_fly = {row["sku"]: row["may_fly"] for row in items}
        state.services = {service.carrier_service: service for service in map(_service, services)}
        await self._load_budgets(needs, state)
        return state

    async def _load_budgets(self, needs: Needs, state: State) -> None:
        """The days that hold money of the batch's upgrades, and today in each zone where a released order could be surprised."""
        keys = {(up.decided_on, up.cost.currency) for up in state.upgrades.values() if holds_money(up) and up.cost}
        zones = {service.zone for service in state.services.values()} | needs.zones if needs.released else set()
        limit = state.rules.daily_limit
        today = {(self.now.astimezone(ZoneInfo(zone)).date(), limit.currency) for zone in zones}
        if not keys | today:
            return
        rows = await self._sql.fetch(_DAYS, *_columns(keys | today, 2))
        if len(rows) < len(keys | today):
            await self._sql.execute(_NEW_DAYS, *_columns(sorted(today), 2), limit.amount_minor)
            rows = await self._sql.fetch(_DAYS, *_columns(keys | today, 2))
        state.budgets = {(row["on_date"], row["currency"]): _budget(row) for row in rows}

    async def record(self, state: State) -> None:
        for statement, rows, width in (
            (_PUT_CUSTOMERS, [astuple(customer)[:4] for customer in state.customers.values()], 4),
            (_PUT_ORDERS, [_order_row(order) for order in state.orders.values()], 11),
            (_PUT_UPGRADES, [_upgrade_row(upgrade) for upgrade in state.upgrades.values()], 14),
            (_PUT_DAYS, [_budget_row(budget) for budget in state.budgets.values()], 5),
            (_PUT_ITEMS, [(item.sku, item.may_fly, version) for item, version in state.listed.values()], 3),
        ):
            if rows:
                self._work.write(statement, *_columns(rows, width))
        if state.scheduled:
            await self._record_services(state.scheduled)

    async def _record_services(self, scheduled: Mapping[str, tuple[CarrierService, int]]) -> None:
        rows = [_service_row(*scheduled[name]) for name in sorted(scheduled)]
        taken = [name for (name,) in await self._sql.fetch(_PUT_SERVICES, rows)]
        await self._sql.execute("delete from lanes_view where carrier_service = any($1)", taken)
        self._work.write(_PUT_LANES, [_lane_row(name, lane) for name in taken for lane in scheduled[name][0].lanes])

    def say(self, outcome: Outcome, cause: Cause, version: int) -> None:
        self._work.say(TOPIC, TYPES[type(outcome)], outcome, key=str(outcome.order_id), cause=cause, version=version)

    def set_aside(self, heard: Heard[Any], reason: str, detail: str) -> None:
        self._work.set_aside(heard, reason, detail)


async def put_history(work: Transaction, customer_id: UUID, orders_before: int) -> None:
    """Set what the shop tells of the time before; the customer may be new here."""
    await work.connection.execute(
        "insert into customers (customer_id, before) values ($1, $2) on conflict (customer_id) do update set before = excluded.before",
        *(customer_id, orders_before),
    )


async def put_rules(work: Transaction, rules: Rules, changed_by: str) -> None:
    """Append a version, and hold the days that still run to its limit. Raises UniqueViolationError when the version was taken meanwhile."""
    tiers = [{"tier": step.tier, "from_orders": step.from_orders, "upgraded": step.upgraded} for step in rules.tiers]
    limit = rules.daily_limit
    await work.connection.execute(
        "insert into rules values ($1, $2, $3, $4, $5, $6, $7, $8)",
        *(rules.version, tiers, limit.amount_minor, limit.currency, rules.days_between, rules.holdout_percent, changed_by, work.now),
    )
    # Twelve hours behind UTC is the earliest date that is still today somewhere.
    await work.connection.execute(
        """update budget_days set limit_minor = greatest($1, reserved_minor + spent_minor)
        where currency = $2 and on_date >= (($3::timestamptz - interval '12 hours') at time zone 'UTC')::date""",
        *(limit.amount_minor, limit.currency, work.now),
    )


def _skus(needs: Needs, state: State) -> list[str]:
    """Of the orders that are looked at: those stored, and those the batch brings."""
    stored = (state.orders[released.order_id] for released in needs.released if released.order_id in state.orders)
    return sorted(needs.skus.union(*(order.skus for order in stored))) if needs.released else []


def _journeys(needs: Needs) -> list[list[Any]]:
    """The sites that are left, and country and every prefix of the postcode of where it goes."""
    destinations = {released.journey.destination for released in needs.released}
    prefixes = {(to.country, to.postcode_prefix[:length]) for to in destinations for length in range(len(to.postcode_prefix) + 1)}
    return [sorted({released.journey.site for released in needs.released}), *_columns(prefixes, 2)]


def _order(row: Row) -> Order:
    kept = msgspec.json.decode(row["kept"])
    return msgspec.convert({**kept, "total": Money(kept["total_minor"], kept["currency"])}, Order)


def _order_row(order: Order) -> tuple[object, ...]:
    flags = (order.guest, order.chosen_on, order.signature_required, order.po_box)
    return (order.order_id, order.customer_id, *flags, order.skus, order.total.amount_minor, order.total.currency, order.state, order.version)


def _upgrade(row: Row) -> Upgrade:
    cost = None if row["cost_minor"] is None else Money(row["cost_minor"], row["currency"])
    return msgspec.convert({**row, "cost": cost}, Upgrade)


def _upgrade_row(up: Upgrade) -> tuple[object, ...]:
    cost, currency = (up.cost.amount_minor, up.cost.currency) if up.cost else (None, None)
    decided = (up.state, up.reason, up.tier, up.rules_version, up.decided_at, up.decided_on)
    return (up.order_id, up.upgrade_id, up.customer_id, up.site, *decided, up.carrier_service, cost, currency, up.version)


def _budget(row: Row) -> Budget:
    return Budget(row["on_date"], Money(row["limit_minor"], row["currency"]), row["reserved_minor"], row["spent_minor"])


def _budget_row(budget: Budget) -> tuple[object, ...]:
    return (budget.on, budget.limit.currency, budget.limit.amount_minor, budget.reserved_minor, budget.spent_minor)


def _service(row: Row) -> CarrierService:
    kept = msgspec.json.decode(row["kept"])
    departures = tuple(Departure(weekday, time.fromisoformat(at)) for weekday, at in kept["departures"])
    closed_on, lanes = tuple(map(date.fromisoformat, kept["closed_on"])), tuple(map(_lane, row["lanes"]))
    return CarrierService(kept["carrier_service"], kept["site"], kept["service"], kept["zone"], departures, closed_on, lanes)


def _service_row(service: CarrierService, version: int) -> dict[str, Any]:
    """By the names of its columns; its lanes have a table of their own."""
    departures = [[departure.weekday, departure.at.isoformat("minutes")] for departure in service.departures]
    return {**msgspec.to_builtins(service), "departures": departures, "lanes": None, "version": version}


def _lane(text: str) -> Lane:
    kept = msgspec.json.decode(text)
    return msgspec.convert({**kept, "label": Money(kept["label_minor"], kept["currency"])}, Lane)


def _lane_row(carrier_service: str, lane: Lane) -> dict[str, Any]:
    label = lane.label
    return {**msgspec.to_builtins(lane), "carrier_service": carrier_service, "label_minor": label.amount_minor, "currency": label.currency}


def _columns(rows: Iterable[Sequence[object]], width: int) -> list[list[object]]:
    """Rows turned into the columns that `unnest` takes; as many empty ones where there is no row."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
