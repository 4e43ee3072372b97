"""A driver's stops: what may be started, and what is handed over where."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.fulfilment.domain import Promised
from services.fulfilment.shipping.labels.domain import Address
from services.kit.values import Refusal


class StopState(StrEnum):
    """`waiting`: nobody is there yet; `started`: the driver has read what is handed over; `done`: all of it was."""

    WAITING = "waiting"
    STARTED = "started"
    DONE = "done"


class Missed(StrEnum):
    """Why nothing was handed over at a stop."""

    NOBODY_HOME = "nobody-home"
    NOT_WANTED = "not-wanted"
    NOT_FOUND = "address-not-found"


class NotOnTheRoad(Refusal):
    slug = "not-on-the-road"


class StartFirst(Refusal):
    slug = "start-first"


class NotForThisStop(Refusal):
    slug = "not-for-this-stop"


class AlreadyHandedOver(Refusal):
    slug = "already-handed-over"


@dataclass(frozen=True, slots=True)
class Carried:
    """A parcel for a stop."""

    parcel_id: UUID
    barcode: str | None
    tracking_number: str | None
    state: str


@dataclass(frozen=True, slots=True)
class Stop:
    """One door: what goes there, and what was promised with it, in the customer's words."""

    number: int
    order_id: UUID
    state: StopState
    started_by: str | None
    started_at: datetime | None
    missed: Missed | None
    to: Address | None
    parcels: tuple[Carried, ...]
    promised: tuple[Promised, ...]


@dataclass(frozen=True, slots=True)
class RunSheet:
    """The stops of one van."""

    load_list_id: UUID
    site: str
    carrier_service: str
    departs_at: datetime
    state: str
    stops: tuple[Stop, ...]


def refuse_start(sheet: RunSheet) -> None:
    """Raises NotOnTheRoad before the van was handed over to its driver."""
    if sheet.state != "handed_over":
        raise NotOnTheRoad("The van has not left yet: have its load list closed and handed over first.", state=sheet.state)


def handed_over(stop: Stop, parcel: UUID | str) -> Carried:
    """The parcel that was scanned. Raises StartFirst, NotForThisStop with what belongs here, or AlreadyHandedOver."""
    if stop.state is StopState.WAITING:
        raise StartFirst("Start the stop first, and read what goes there.", order_id=stop.order_id)
    found = next((each for each in stop.parcels if parcel in (each.parcel_id, each.barcode)), None)
    if found is None:
        here = [each.barcode for each in stop.parcels if each.state != "delivered"]
        raise NotForThisStop("This parcel goes elsewhere: leave it in the van, and scan what belongs here.", parcels=here)
    return found


def numbered(stops: list[Stop]) -> tuple[Stop, ...]:
    """In the order of their postcodes and streets: a plan of the roads is the driver's own."""
    ordered = sorted(stops, key=lambda stop: (stop.to.postcode, stop.to.line1) if stop.to else ("", str(stop.order_id)))
    return tuple(
        Stop(number, each.order_id, each.state, each.started_by, each.started_at, each.missed, each.to, each.parcels, each.promised)
        for number, each in enumerate(ordered, 1)
    )
