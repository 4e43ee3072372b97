"""What shipping alone hears, of holds, customers and upgrades, and what it says of slots and delays. What all parts of fulfilment hear of an order
stands in `services.fulfilment.domain`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.kit.envelope import Hears, Reads


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an order goes, as coarsely as events say it."""

    country: str
    postcode_prefix: str


@dataclass(frozen=True, slots=True)
class OrderHeld:
    """orders: work stops."""

    order_id: UUID
    hold_id: UUID
    reason: str
    owner: str


@dataclass(frozen=True, slots=True)
class HoldLifted:
    """orders: work goes on."""

    order_id: UUID
    hold_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class UpgradeWanted:
    """loyalty: asks for a place."""

    order_id: UUID
    upgrade_id: UUID
    destination: Destination
    carrier_service: str


@dataclass(frozen=True, slots=True)
class UpgradeGranted:
    """loyalty: the order flies."""

    order_id: UUID
    upgrade_id: UUID


@dataclass(frozen=True, slots=True)
class UpgradeDeclined:
    """loyalty: not upgraded; `upgrade_id` where a place had been asked for."""

    order_id: UUID
    upgrade_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class UpgradeWithdrawn:
    """loyalty: an upgrade taken back."""

    order_id: UUID
    upgrade_id: UUID


class AddressWire(msgspec.Struct):
    """One address of a customer, as a label needs it."""

    address_id: UUID
    name: str
    line1: str
    city: str
    postcode: str
    country: str
    line2: str | None = None
    region: str | None = None


class CustomerWire(msgspec.Struct):
    """orders: the customer as now known. Their mail address and telephone number are not read: no carrier gets them."""

    customer_id: UUID
    addresses: list[AddressWire]


@dataclass(frozen=True, slots=True)
class CustomerSeen:
    """Where a customer's parcels go; nothing once the customer was erased."""

    customer_id: UUID
    addresses: tuple[Mapping[str, Any], ...]


HEARS: Hears = {
    "orders.OrderHeld.v1": OrderHeld,
    "orders.HoldLifted.v1": HoldLifted,
    "orders.CustomerSeen.v1": Reads(
        CustomerWire,
        lambda wire: CustomerSeen(wire.customer_id, tuple(map(msgspec.to_builtins, wire.addresses))),
        erased=lambda subject: CustomerSeen(UUID(subject), ()),
    ),
    "loyalty.UpgradeWanted.v1": UpgradeWanted,
    "loyalty.UpgradeGranted.v1": UpgradeGranted,
    "loyalty.UpgradeDeclined.v1": UpgradeDeclined,
    "loyalty.UpgradeWithdrawn.v1": UpgradeWithdrawn,
}


@dataclass(frozen=True, slots=True)
class UpgradeSlotReserved:
    """A place on an overnight departure is set apart for the order."""

    order_id: UUID
    upgrade_id: UUID
    carrier_service: str
    departs_at: datetime
    expected_at: datetime


@dataclass(frozen=True, slots=True)
class UpgradeSlotRefused:
    """No place can be had, or the one reserved can no longer be made."""

    order_id: UUID
    upgrade_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class DelayForeseen:
    """The remaining work no longer fits before the hand-over that the promise rests on."""

    order_id: UUID
    slack_seconds: int
    hand_over_by: datetime
    next_hand_over_by: datetime | None
    cause: str
    foreseen_at: datetime


@dataclass(frozen=True, slots=True)
class ParcelLabelled:
    """The parcel carries a label. The carrier's number stays here."""

    order_id: UUID
    parcel_id: UUID
    carrier_service: str
    label_minor: int
    currency: str
    labelled_at: datetime


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The carrier has the parcel."""

    order_id: UUID
    parcel_id: UUID
    carrier_service: str
    manifest_id: UUID
    handed_over_at: datetime


@dataclass(frozen=True, slots=True)
class ParcelDelivered:
    """The carrier says, signed, that the parcel is at the door."""

    order_id: UUID
    parcel_id: UUID
    delivered_at: datetime
    evidence_id: str
    last: bool
