"""The tables that are read with SQLModel: what the API and the page show. The migrations make them, a test holds both against each other."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


def _instant(*, null: bool = False) -> Any:
    return Field(default=None, sa_type=DateTime(timezone=True), nullable=null)


class OrderRow(SQLModel, table=True):
    __tablename__ = "orders"

    order_id: UUID = Field(primary_key=True)
    order_ref: str
    channel: str
    external_ref: str
    customer_id: UUID
    address_id: UUID
    guest: bool
    site: str
    placed_at: datetime = _instant()
    currency: str
    goods_minor: int = Field(sa_type=BigInteger)
    charges_minor: int = Field(sa_type=BigInteger)
    total_minor: int = Field(sa_type=BigInteger)
    service: str
    quote_id: UUID | None
    chosen_on: date | None
    signature_required: bool
    po_box: bool
    country: str
    postcode_prefix: str
    zone: str
    language: str
    payment_state: str
    payment_reference: str
    state: str
    version: int = Field(sa_type=BigInteger)
    said_version: int = Field(sa_type=BigInteger)
    checks: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    announced: bool
    work_version: int = Field(sa_type=BigInteger)
    promise_id: UUID | None
    due_at: datetime | None = _instant(null=True)
    hand_over_by: datetime | None = _instant(null=True)
    carrier_service: str | None
    declined_sentence: str | None
    answer_by: datetime | None = _instant(null=True)
    cancel_request_id: UUID | None
    cancel_reason: str | None
    cancel_requested_by: str | None
    cancel_requested_at: datetime | None = _instant(null=True)
    cancel_refusal: str | None
    released_at: datetime | None = _instant(null=True)
    picking_at: datetime | None = _instant(null=True)
    packed_at: datetime | None = _instant(null=True)
    handed_over_at: datetime | None = _instant(null=True)
    delivered_at: datetime | None = _instant(null=True)
    cancelled_at: datetime | None = _instant(null=True)
    fingerprint: bytes
    body: str
    paid_minor: int = Field(sa_type=BigInteger)
    returned_minor: int = Field(sa_type=BigInteger)
    amended: str | None


class AmendmentRow(SQLModel, table=True):
    __tablename__ = "amendments"

    amendment_id: UUID = Field(primary_key=True)
    order_id: UUID
    body: str
    before: str
    paid_minor: int = Field(sa_type=BigInteger)
    payment_reference: str | None
    refund_id: UUID
    reason: str
    requested_by: str
    requested_at: datetime = _instant()
    status: str
    prepared: bool
    dated: bool
    due_at: datetime | None = _instant(null=True)
    hand_over_by: datetime | None = _instant(null=True)
    carrier_service: str | None
    refusal: str | None
    sentence: str | None
    decided_at: datetime | None = _instant(null=True)
    refund_minor: int = Field(sa_type=BigInteger)
    promised_at: datetime | None = _instant(null=True)
    not_promised: str | None
    instead: str | None


class HoldRow(SQLModel, table=True):
    __tablename__ = "holds"

    hold_id: UUID = Field(primary_key=True)
    order_id: UUID
    reason: str
    owner: str
    note: str
    held_at: datetime = _instant()
    lifted_at: datetime | None = _instant(null=True)


class CustomerRow(SQLModel, table=True):
    __tablename__ = "customers"

    customer_id: UUID = Field(primary_key=True)
    version: int = Field(sa_type=BigInteger)
    channel: str
    external_ref: str | None
    guest: bool
    name: str
    email: str
    phone: str | None
    language: str
    zone: str


class AddressRow(SQLModel, table=True):
    __tablename__ = "addresses"

    address_id: UUID = Field(primary_key=True)
    customer_id: UUID
    position: int
    name: str
    line1: str
    line2: str | None
    city: str
    region: str | None
    postcode: str
    country: str
    po_box: bool


class RefusalRow(SQLModel, table=True):
    __tablename__ = "refusals"

    order_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_type=BigInteger)
    channel: str
    external_ref: str
    reasons: list[dict[str, str]] = Field(sa_column=Column(JSONB, nullable=False))
    refused_at: datetime = _instant()
    fingerprint: bytes


class PromiseRow(SQLModel, table=True):
    __tablename__ = "promises_view"

    promise_id: UUID = Field(primary_key=True)
    order_id: UUID
    customer_text: str
    language: str
    due_at: datetime = _instant()
    zone: str
    replaces: UUID | None
    made_at: datetime = _instant()
    verdict: str
    verdict_at: datetime | None = _instant(null=True)


class HeldRow(SQLModel, table=True):
    """One promise of the ledger, as the service's own view holds it (`services.kit.promise.view.Row` reads it)."""

    __tablename__ = "promise_view"

    promise_id: UUID = Field(primary_key=True)
    bucket: int
    seq: int
    position: int = Field(sa_type=BigInteger)
    customer_id: UUID
    order_id: UUID | None
    verdict: str
    made: str
    standing: str
    salt: bytes | None
    words: str | None


class ViewRow(SQLModel, table=True):
    """How far that view is."""

    __tablename__ = "promise_view_state"

    one: bool = Field(primary_key=True)
    position: int = Field(sa_type=BigInteger)
    heard_to: int = Field(sa_type=BigInteger)
    witnessed_size: int = Field(sa_type=BigInteger)
    witnessed_root: bytes | None
    witnessed_note: str | None
    witnessed_key: str | None


class LinkRow(SQLModel, table=True):
    __tablename__ = "links"

    secret_hash: bytes = Field(primary_key=True)
    order_id: UUID
    made_at: datetime = _instant()
