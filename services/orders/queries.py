"""What the API and the customer's page show of orders. Reads only, with SQLModel, each in one short transaction of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.kit.database import session_settings
from services.kit.ids import hash_secret
from services.orders.tables import HoldRow, LinkRow, OrderRow, PromiseRow, RefusalRow

REFUSED = "refused"
"""The state that readers see of an order that was not taken."""


@dataclass(frozen=True, slots=True)
class Found:
    """One order with all that is shown of it; `promises` in order of making, `holds` the open ones in order of placing."""

    order: OrderRow
    promises: Sequence[PromiseRow]
    holds: Sequence[HoldRow]


def engine_of(url: str) -> AsyncEngine:
    """A pool of read connections to the service's own schema."""
    settings = session_settings("orders", "api.reads") | {"default_transaction_read_only": "on"}
    asyncpg_url = make_url(url).set(drivername="postgresql+asyncpg")
    return create_async_engine(
        asyncpg_url, pool_size=3, max_overflow=2, isolation_level="AUTOCOMMIT", pool_reset_on_return=None, connect_args={"server_settings": settings}
    )


async def order_by_id(engine: AsyncEngine, order_id: UUID) -> Found | None:
    async with AsyncSession(engine) as session:
        return await _found(session, await session.get(OrderRow, order_id))


async def order_by_reference(engine: AsyncEngine, channel: str, external_ref: str) -> Found | None:
    async with AsyncSession(engine) as session:
        statement = select(OrderRow).where(OrderRow.channel == channel, OrderRow.external_ref == external_ref)
        return await _found(session, (await session.exec(statement)).one_or_none())


async def order_by_link(engine: AsyncEngine, secret: str) -> Found | None:
    """The order that a customer's link opens; None for any other text."""
    async with AsyncSession(engine) as session:
        link = await session.get(LinkRow, hash_secret(secret))
        return await _found(session, await session.get(OrderRow, link.order_id) if link else None)


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
    async with AsyncSession(engine) as session:
        refused = await session.exec(select(RefusalRow.order_id).where(col(RefusalRow.order_id).in_(order_ids)))
        known = await session.exec(select(OrderRow.order_id, OrderRow.state).where(col(OrderRow.order_id).in_(order_ids)))
        return dict.fromkeys(refused.all(), REFUSED) | dict(known.all())


async def _found(session: AsyncSession, order: OrderRow | None) -> Found | None:
    if order is None:
        return None
    promises = select(PromiseRow).where(PromiseRow.order_id == order.order_id).order_by(col(PromiseRow.made_at), col(PromiseRow.promise_id))
    open_holds = select(HoldRow).where(HoldRow.order_id == order.order_id, col(HoldRow.lifted_at).is_(None)).order_by(col(HoldRow.held_at))
    return Found(order, (await session.exec(promises)).all(), (await session.exec(open_holds)).all())
