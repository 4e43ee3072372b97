"""A carrier service on the wire and in the books: one document, as `CarrierServiceScheduled.v1` says."""

from datetime import date, time

import msgspec

from services.fulfilment.shipping.schedule.domain import CarrierService, Lane, WeeklyDeparture
from services.kit.values import Money

CAPACITY_TOPIC = "fulfilment.capacity.v1"
CARRIER_SERVICE_SCHEDULED = "fulfilment.CarrierServiceScheduled.v1"


class DepartureWire(msgspec.Struct):
    """A weekly departure; `at` is HH:MM."""

    weekday: int
    at: str
    places: int | None = None


class LaneWire(msgspec.Struct):
    """A lane; `deliver_by` is HH:MM in the destination's zone."""

    country: str
    postcode_prefix: str
    transit_days: int
    deliver_by: str
    delivers_on: list[int]
    destination_zone: str
    label_minor: int
    currency: str


class CarrierServiceScheduled(msgspec.Struct):
    """The event's data, and what `carrier_services.schedule` holds."""

    carrier_service: str
    carrier: str
    site: str
    service: str
    zone: str
    withdrawn: bool
    by_air: bool
    departures: list[DepartureWire]
    closed_on: list[date]
    lanes: list[LaneWire]


def to_domain(said: CarrierServiceScheduled) -> CarrierService:
    """The schedule to reckon with."""
    departures = tuple(WeeklyDeparture(row.weekday, time.fromisoformat(row.at), row.places) for row in said.departures)
    lanes = tuple(map(_lane, said.lanes))
    return CarrierService(
        said.carrier_service, said.carrier, said.site, said.service, said.zone, said.withdrawn, said.by_air,
        departures, frozenset(said.closed_on), lanes,
    )  # fmt: skip


def from_document(document: object) -> CarrierService:
    """The schedule as `carrier_services.schedule` holds it."""
    return to_domain(msgspec.convert(document, CarrierServiceScheduled))


def _lane(row: LaneWire) -> Lane:
    return Lane(
        row.country,
        row.postcode_prefix,
        row.transit_days,
        time.fromisoformat(row.deliver_by),
        frozenset(row.delivers_on),
        row.destination_zone,
        Money(row.label_minor, row.currency),
    )
