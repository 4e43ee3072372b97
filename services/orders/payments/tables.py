"""The tables that the API reads: what is owed by promise, and what stands on customers' accounts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime
from sqlmodel import Field, SQLModel


def _instant(*, null: bool = False) -> Any:
    return Field(default=None, sa_type=DateTime(timezone=True), nullable=null)


class RefundRow(SQLModel, table=True):
    __tablename__ = "refunds"

    promise_id: UUID = Field(primary_key=True)
    number: int = Field(sa_type=BigInteger)
    order_id: UUID | None
    customer_id: UUID
    kind: str
    quantity: int
    amount_minor: int | None = Field(sa_type=BigInteger)
    currency: str | None
    cause: UUID | None
    state: str
    wanted: bool
    paid_by: str | None
    payment_reference: str | None
    reason: str | None
    evidence_id: str | None
    owed_at: datetime = _instant()
    settled_at: datetime | None = _instant(null=True)
    tries: int
    tried_at: datetime | None = _instant(null=True)


class CreditEntryRow(SQLModel, table=True):
    __tablename__ = "credit_entries"

    number: int = Field(primary_key=True, sa_type=BigInteger)
    entry_id: UUID
    promise_id: UUID
    customer_id: UUID
    currency: str
    delta_minor: int = Field(sa_type=BigInteger)
    entered_at: datetime = _instant()
