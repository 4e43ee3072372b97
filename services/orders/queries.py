"""What the API and the customer's page show of orders. Reads only, with SQLModel, each in one short transaction of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, bindparam, literal, or_
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from services.kit.database import session_settings
from services.kit.ids import hash_secret
from services.kit.promise.view import Row
from services.orders.tables import (
    AddressRow,
    AmendmentRow,
    CustomerRow,
    HeldRow,
    HoldRow,
    LinkRow,
    OrderRow,
    PromiseRow,
    RefusalRow,
    ViewRow,
)

_OPEN_HOLDS = and_(col(HoldRow.order_id) == OrderRow.order_id, col(HoldRow.lifted_at).is_(None))
_SHOWN = (
    select(PromiseRow, HoldRow)
    .select_from(OrderRow)
    .outerjoin(PromiseRow, col(PromiseRow.order_id) == OrderRow.order_id)
    .outerjoin(HoldRow, _OPEN_HOLDS)
    .where(OrderRow.order_id == bindparam("order_id"))
    .order_by(col(PromiseRow.made_at), col(PromiseRow.promise_id), col(HoldRow.held_at))
)
"""Each promise of an order beside each open hold of it: there are few of both, so one question costs less than two."""

_MOST_HELD = 100
_MOST_AMENDMENTS = 100
_MOST_ORDERS = 50
_MOST_ADDRESSES = 100
_OF_ORDER = or_(
    col(HeldRow.order_id) == bindparam("order_id"), and_(col(HeldRow.order_id).is_(None), col(HeldRow.customer_id) == bindparam("customer_id"))
)
_HELD = select(ViewRow.position, HeldRow).select_from(ViewRow).outerjoin(HeldRow, _OF_ORDER).order_by(col(HeldRow.position).desc()).limit(_MOST_HELD)

REFUSED = "refused"
"""The state that readers see of an order that was not taken."""


@dataclass(frozen=True, slots=True)
class Found:
    """One order with all that is shown of it; `promises` in order of making, `holds` the open ones in order of placing."""

    order: OrderRow
    promises: Sequence[PromiseRow]
    holds: Sequence[HoldRow]


@dataclass(frozen=True, slots=True)
class Held:
    """The ledger's promises of one order, and of its customer beside any order, as the service's own view holds them up to this position of the
    ledger: the 100 whose entries are the newest."""

    position: int
    rows: Sequence[Row]


def engine_of(url: str) -> AsyncEngine:
    """A pool of read connections to the service's own schema."""
    settings = session_settings("orders", "api.reads") | {"default_transaction_read_only": "on"}
    asyncpg_url = make_url(url).set(drivername="postgresql+asyncpg")
    return create_async_engine(
        asyncpg_url, pool_size=3, max_overflow=2, isolation_level="AUTOCOMMIT", pool_reset_on_return=None, connect_args={"server_settings": settings}
    )


async def order_by_id(engine: AsyncEngine, order_id: UUID) -> Found | None:
    return await _found(engine, select(OrderRow).where(OrderRow.order_id == order_id))


async def order_by_reference(engine: AsyncEngine, channel: str, external_ref: str) -> Found | None:
    return await _found(engine, select(OrderRow).where(OrderRow.channel == channel, OrderRow.external_ref == external_ref))


async def order_by_link(engine: AsyncEngine, secret: str) -> Found | None:
    """The order that a customer's link opens; None for any other text."""
    linked = select(OrderRow).join(LinkRow, col(LinkRow.order_id) == OrderRow.order_id)
    return await _found(engine, linked.where(LinkRow.secret_hash == hash_secret(secret)))


async def held_of(engine: AsyncEngine, order: OrderRow) -> Held:
    """What the ledger promised for this order, and to its customer beside any order; nothing of their other orders, which this page is not for."""
    async with AsyncSession(engine) as session:
        rows = (await session.exec(_HELD, params={"order_id": order.order_id, "customer_id": order.customer_id})).all()
    return Held(rows[0][0], [Row.read(held.model_dump()) for _, held in rows if held is not None])


async def refusal_by_id(engine: AsyncEngine, order_id: UUID) -> RefusalRow | None:
    """The newest refusal of an order that was not taken."""
    async with AsyncSession(engine) as session:
        newest = select(RefusalRow).where(RefusalRow.order_id == order_id).order_by(col(RefusalRow.version).desc()).limit(1)
        return (await session.exec(newest)).one_or_none()


async def refusal_by_reference(engine: AsyncEngine, channel: str, external_ref: str) -> RefusalRow | None:
    """The newest refusal under a reference."""
    async with AsyncSession(engine) as session:
        of_reference = select(RefusalRow).where(RefusalRow.channel == channel, RefusalRow.external_ref == external_ref)
        newest = of_reference.order_by(col(RefusalRow.refused_at).desc(), col(RefusalRow.version).desc()).limit(1)
        return (await session.exec(newest)).one_or_none()


async def states(engine: AsyncEngine, order_ids: Sequence[UUID]) -> Mapping[UUID, str]:
    """The present state of each of these orders, `refused` for one that was not taken; those never heard of are left out."""
    refused = select(RefusalRow.order_id, literal(REFUSED)).where(col(RefusalRow.order_id).in_(order_ids))
    known = select(OrderRow.order_id, OrderRow.state).where(col(OrderRow.order_id).in_(order_ids))
    async with engine.connect() as connection:
        rows = (await connection.execute(refused.union_all(known))).all()
    return dict(sorted(rows, key=lambda row: row[1] != REFUSED))  # a state comes after a refusal of the same order


async def amendments_of(
    engine: AsyncEngine, order_id: UUID, amendment_id: UUID | None = None, most: int = _MOST_AMENDMENTS
) -> Sequence[AmendmentRow]:
    """The changes of an order that were asked for, the newest first; with `amendment_id` that one, if it is the order's."""
    listed = select(AmendmentRow).where(AmendmentRow.order_id == order_id)
    newest = (col(AmendmentRow.requested_at).desc(), col(AmendmentRow.amendment_id).desc())
    async with AsyncSession(engine) as session:
        one = listed.where(AmendmentRow.amendment_id == amendment_id) if amendment_id else listed
        return (await session.exec(one.order_by(*newest).limit(most))).all()


async def statuses(engine: AsyncEngine, amendment_ids: Sequence[UUID]) -> Mapping[UUID, str]:
    """The present status of each of these amendments; those never asked for are left out."""
    asked = select(AmendmentRow.amendment_id, AmendmentRow.status).where(col(AmendmentRow.amendment_id).in_(amendment_ids))
    async with engine.connect() as connection:
        return {row[0]: row[1] for row in (await connection.execute(asked)).all()}


@dataclass(frozen=True, slots=True)
class FoundCustomer:
    """A customer, with the addresses used last and the newest orders, 50 at most."""

    customer: CustomerRow
    addresses: Sequence[AddressRow]
    orders: Sequence[OrderRow]


async def customer_by_id(engine: AsyncEngine, customer_id: UUID) -> FoundCustomer | None:
    addresses = select(AddressRow).where(AddressRow.customer_id == customer_id).order_by(col(AddressRow.position).desc())
    orders = select(OrderRow).where(OrderRow.customer_id == customer_id).order_by(col(OrderRow.placed_at).desc(), col(OrderRow.order_id).desc())
    async with AsyncSession(engine) as session:
        customer = await session.get(CustomerRow, customer_id)
        if customer is None:
            return None
        used = (await session.exec(addresses.limit(_MOST_ADDRESSES))).all()
        return FoundCustomer(customer, used, (await session.exec(orders.limit(_MOST_ORDERS))).all())


async def _found(engine: AsyncEngine, one: SelectOfScalar[OrderRow]) -> Found | None:
    async with AsyncSession(engine) as session:
        order = (await session.exec(one)).one_or_none()
        if order is None:
            return None
        rows = (await session.exec(_SHOWN, params={"order_id": order.order_id})).all()
    promises = {promise.promise_id: promise for promise, _ in rows if promise is not None}
    holds = {hold.hold_id: hold for _, hold in rows if hold is not None}
    return Found(order, list(promises.values()), list(holds.values()))
