"""What is owed, and what stands on a customer's account. Reads only, with SQLModel."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select, text
from sqlmodel.ext.asyncio.session import AsyncSession

from services.orders.payments.domain import State
from services.orders.payments.tables import CreditEntryRow, RefundRow

_KNOWN = text("select exists (select from customers where customer_id = :id) or exists (select from credit_entries where customer_id = :id)")


async def refunds(engine: AsyncEngine, state: State | None, after: int, limit: int) -> Sequence[RefundRow]:
    """In the order in which they were heard of, from the one behind `after`."""
    listed = select(RefundRow).where(RefundRow.number > after).order_by(col(RefundRow.number)).limit(limit)
    async with AsyncSession(engine) as session:
        return (await session.exec(listed.where(RefundRow.state == state) if state else listed)).all()


async def credit(engine: AsyncEngine, customer_id: UUID, after: int, limit: int) -> tuple[Sequence[tuple[str, int]], Sequence[CreditEntryRow]] | None:
    """The balance of a customer in each currency, and the entries behind `after`, oldest first; None for a customer nobody knows."""
    of_customer = CreditEntryRow.customer_id == customer_id
    sums = select(CreditEntryRow.currency, func.sum(CreditEntryRow.delta_minor)).where(of_customer).group_by(col(CreditEntryRow.currency))
    listed = select(CreditEntryRow).where(of_customer, CreditEntryRow.number > after).order_by(col(CreditEntryRow.number)).limit(limit)
    async with engine.connect() as connection:
        if not (await connection.execute(_KNOWN, {"id": customer_id})).scalar_one():
            return None
    async with AsyncSession(engine) as session:
        balances = (await session.exec(sums.order_by(col(CreditEntryRow.currency)))).all()
        return [(currency, int(sum)) for currency, sum in balances], (await session.exec(listed)).all()
