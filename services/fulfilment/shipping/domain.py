"""A shipment's way to a departure: which one it aims at, whether a place on an overnight one can be had, when a delay has to be told.

Pure decisions. `promised_*` is what the customer's promise rests on; `carrier_service` and `hand_over_by` are what the warehouse aims at now,
which an upgrade makes earlier without anybody outside being told.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.fulfilment.domain import OrderAmended
from services.fulfilment.shipping.schedule.domain import CarrierService, Departure, expected_at, fastest, hand_over_limit, lane_for, next_departure
from services.kit.values import Cause


class ShipmentState(StrEnum):
    """How far the order is on its way."""

    PLACED = "placed"
    RELEASED = "released"
    HANDED_OVER = "handed_over"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


class SlotState(StrEnum):
    """`reserved` and `granted` hold a place on a departure, no other state does."""

    WANTED = "wanted"
    RESERVED = "reserved"
    GRANTED = "granted"
    REFUSED = "refused"
    FREED = "freed"


class SlotRefusal(StrEnum):
    """Why no overnight place can be had, as `UpgradeSlotRefused` says it."""

    TOO_LATE = "too-late"
    NO_PLACE = "no-place"
    NOT_BY_AIR = "not-by-air"
    NO_LANE = "no-lane"
    CANCELLED = "cancelled"
    UNKNOWN_ORDER = "unknown-order"


class Phase(StrEnum):
    """What is still to be done before the hand-over."""

    TO_PICK = "to_pick"
    PACKED = "packed"
    LOADED = "loaded"


@dataclass(frozen=True, slots=True)
class Rates:
    """How long the work takes that is still to be done; a shop measures its own."""

    seconds_per_line: int = 20
    pack_seconds: int = 60
    dock_seconds: int = 120
    upgrade_horizon: timedelta = timedelta(hours=24)
    unknown_order_after: timedelta = timedelta(seconds=30)

    def remaining(self, lines: int, phase: Phase) -> timedelta:
        """The work between now and the trailer."""
        if phase is Phase.LOADED:
            return timedelta()
        picking = self.seconds_per_line * lines + self.pack_seconds if phase is Phase.TO_PICK else 0
        return timedelta(seconds=picking + self.dock_seconds)


@dataclass(frozen=True, slots=True)
class NewParcel:
    """A carton as the packer closed it."""

    parcel_id: UUID
    order_id: UUID
    site: str
    carton: str
    weight_grams: int


@dataclass(frozen=True, slots=True)
class Shipment:
    """One order's way out. `labelled`: a label was asked for or bought, so the carrier service can no longer change.
    `address` is (customer id, address id), known once the order is released. One that is not may have a place held on a departure already."""

    order_id: UUID
    site: str
    lines: int
    skus: tuple[str, ...]
    version: int
    cause: Cause
    state: ShipmentState = ShipmentState.PLACED
    address: tuple[UUID, UUID] | None = None
    country: str = ""
    postcode_prefix: str = ""
    short_of_stock: bool = False
    due_at: datetime | None = None
    carrier_service: str | None = None
    hand_over_by: datetime | None = None
    promised_service: str | None = None
    promised_by: datetime | None = None
    told_for: datetime | None = None
    phase: Phase = Phase.TO_PICK
    labelled: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """An upgrade's claim to a place. `cause` is what asked for it."""

    upgrade_id: UUID
    order_id: UUID
    carrier_service: str
    country: str
    postcode_prefix: str
    wanted_at: datetime
    cause: Cause
    state: SlotState = SlotState.WANTED
    departs_at: datetime | None = None
    reason: SlotRefusal | None = None

    @property
    def holds_a_place(self) -> bool:
        return self.state in (SlotState.RESERVED, SlotState.GRANTED)


@dataclass(frozen=True, slots=True)
class Delay:
    """What `DelayForeseen` says of an order."""

    slack: timedelta
    hand_over_by: datetime
    next_hand_over_by: datetime | None
    cause: str


def aim(shipment: Shipment, kind: str, services: dict[str, CarrierService], now: datetime, rates: Rates) -> Shipment:
    """A released shipment with a departure to aim at. What the promise names stands; where it names nothing, the service of this kind that is
    first at the door is taken, or the last departure of the named one that keeps the due instant."""
    if shipment.carrier_service and shipment.hand_over_by:
        return shipment
    ready_at = now + rates.remaining(shipment.lines, shipment.phase)
    service = services.get(shipment.carrier_service) if shipment.carrier_service else None
    if service is None:
        here = [other for other in services.values() if other.site == shipment.site]
        found = fastest(here, kind, shipment.country, shipment.postcode_prefix, ready_at)
        return replace(shipment, carrier_service=found[0].code, hand_over_by=found[1].departs_at) if found else shipment
    lane = lane_for(service, shipment.country, shipment.postcode_prefix)
    limit = hand_over_limit(service, lane, ready_at, shipment.due_at) if lane and shipment.due_at else None
    following = next_departure(service, ready_at)
    return replace(shipment, hand_over_by=limit or (following.departs_at if following else None))


def departure_for(
    slot: Slot, shipment: Shipment, service: CarrierService | None, grounded: bool, now: datetime, rates: Rates
) -> Departure | SlotRefusal:
    """The overnight departure that the order can still make and that is at the door before the promise is due, places left aside."""
    if shipment.state is ShipmentState.CANCELLED:
        return SlotRefusal.CANCELLED
    if shipment.state is not ShipmentState.RELEASED or shipment.labelled:
        return SlotRefusal.TOO_LATE
    if service is None or service.withdrawn or service.service != "overnight" or service.site != shipment.site:
        return SlotRefusal.NO_LANE
    if not _goes_there(slot, shipment):
        return SlotRefusal.NO_LANE
    lane = lane_for(service, slot.country, slot.postcode_prefix)
    if lane is None:
        return SlotRefusal.NO_LANE
    if service.by_air and grounded:
        return SlotRefusal.NOT_BY_AIR
    departure = next_departure(service, now + rates.remaining(shipment.lines, shipment.phase))
    if departure is None or departure.departs_at > now + rates.upgrade_horizon:
        return SlotRefusal.TOO_LATE
    expected = expected_at(service, lane, departure.departs_at)
    if expected is None or (shipment.due_at is not None and expected > shipment.due_at):
        return SlotRefusal.TOO_LATE
    return departure


def upgraded(shipment: Shipment, slot: Slot) -> Shipment:
    """The shipment on the departure that its upgrade holds."""
    return replace(shipment, carrier_service=slot.carrier_service, hand_over_by=slot.departs_at)


def back_to_promise(shipment: Shipment) -> Shipment:
    """The shipment on what its promise rests on."""
    return replace(shipment, carrier_service=shipment.promised_service, hand_over_by=shipment.promised_by)


def is_upgraded(shipment: Shipment) -> bool:
    """Whether it aims at another service than the promise names."""
    return shipment.promised_service is not None and shipment.carrier_service != shipment.promised_service


def promised_anew(shipment: Shipment, carrier_service: str | None, hand_over_by: datetime | None, due_at: datetime | None) -> Shipment:
    """A shipment released again after a shortage, with a promise of its own: it aims at that, unless it is upgraded or labelled already."""
    if hand_over_by is None or carrier_service is None:
        return shipment
    promised = replace(shipment, promised_service=carrier_service, promised_by=hand_over_by, due_at=due_at)
    return promised if is_upgraded(shipment) or shipment.labelled else back_to_promise(promised)


def amended(shipment: Shipment, said: OrderAmended, services: dict[str, CarrierService], now: datetime, rates: Rates) -> Shipment:
    """A released shipment of an order that was changed: on the departure that was promised with the change; where none was, on the one it had, or,
    where it goes elsewhere now, on one that goes there."""
    to, was = said.destination, (shipment.country, shipment.postcode_prefix)
    there = replace(shipment, address=(said.customer_id, said.address_id), country=to.country, postcode_prefix=to.postcode_prefix)
    if said.hand_over_by and said.carrier_service:
        return promised_anew(there, said.carrier_service, said.hand_over_by, said.due_at)
    if was == (to.country, to.postcode_prefix):
        return there
    named = services.get(shipment.promised_service or "")
    goes = named is not None and not named.withdrawn and lane_for(named, to.country, to.postcode_prefix) is not None
    open_ended = replace(there, carrier_service=shipment.promised_service if goes else None, hand_over_by=None)
    aimed = aim(open_ended, said.service, services, now, rates)
    return replace(aimed, promised_service=aimed.carrier_service, promised_by=aimed.hand_over_by)


def misfit(slot: Slot, shipment: Shipment, service: CarrierService | None, grounded: bool) -> SlotRefusal | None:
    """Why an upgrade no longer fits its order, which was changed; None while it does, or has ended."""
    if slot.state in (SlotState.REFUSED, SlotState.FREED):
        return None
    if service is None or not _goes_there(slot, shipment):
        return SlotRefusal.NO_LANE
    if slot.carrier_service == shipment.promised_service:
        return SlotRefusal.TOO_LATE  # the customer has that flight by their promise
    return SlotRefusal.NOT_BY_AIR if service.by_air and grounded else None


def _goes_there(slot: Slot, shipment: Shipment) -> bool:
    return (slot.country, slot.postcode_prefix) == (shipment.country, shipment.postcode_prefix)


def slack(shipment: Shipment, now: datetime, rates: Rates) -> timedelta | None:
    """How much time is to spare before the hand-over; None where no departure is aimed at or nothing is left to do."""
    if shipment.hand_over_by is None or shipment.phase is Phase.LOADED or shipment.state is not ShipmentState.RELEASED:
        return None
    return shipment.hand_over_by - now - rates.remaining(shipment.lines, shipment.phase)


def foresee(shipment: Shipment, service: CarrierService | None, now: datetime, rates: Rates) -> tuple[Shipment, Delay | None]:
    """What becomes of a shipment whose departure can no longer be made: it aims at the next one, and the delay is told once for each hand-over
    that a promise rested on. An upgraded parcel that a later flight still brings in time is late for nobody."""
    spare = slack(shipment, now, rates)
    if spare is None or shipment.hand_over_by is None or spare >= timedelta():
        return shipment, None
    following = next_departure(service, now + rates.remaining(shipment.lines, shipment.phase)) if service else None
    following_at = following.departs_at if following else None
    rested_on = shipment.promised_by if is_upgraded(shipment) and shipment.promised_by else shipment.hand_over_by
    moved = replace(shipment, hand_over_by=following_at) if following_at else replace(shipment, told_for=shipment.hand_over_by)
    if shipment.told_for == rested_on or (is_upgraded(shipment) and _in_time(moved, service, following_at)):
        return moved, None
    late = min(spare, timedelta(seconds=-1))
    cause = "stock" if shipment.short_of_stock else "queue"
    promised_by = moved.promised_by if is_upgraded(shipment) else following_at or moved.promised_by
    told_for = rested_on if following_at else moved.told_for
    return replace(moved, told_for=told_for, promised_by=promised_by), Delay(late, rested_on, following_at, cause)


def _in_time(shipment: Shipment, service: CarrierService | None, departs_at: datetime | None) -> bool:
    if service is None or departs_at is None or shipment.due_at is None:
        return False
    lane = lane_for(service, shipment.country, shipment.postcode_prefix)
    expected = expected_at(service, lane, departs_at) if lane else None
    return expected is not None and expected <= shipment.due_at
