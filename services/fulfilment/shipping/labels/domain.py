"""Whether a parcel may get a label, what the carrier is asked for, and what its answer means."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from services.fulfilment.shipping.domain import Shipment, ShipmentState
from services.fulfilment.shipping.schedule.domain import CarrierService, Lane, lane_for
from services.kit.values import Cause, Money, NotFound, Refusal


class LabelState(StrEnum):
    """`wanted`: the carrier may or may not have it; `voiding`: it may or may not be void there. Both are settled by asking again."""

    WANTED = "wanted"
    BOUGHT = "bought"
    REFUSED = "refused"
    VOIDING = "voiding"
    VOID = "void"


class ParcelState(StrEnum):
    """Where the parcel stands."""

    PACKED = "packed"
    STAGED = "staged"
    LOADED = "loaded"
    HANDED_OVER = "handed_over"
    DELIVERED = "delivered"


class NoCarrierService(Refusal):
    """Nothing goes there, as the schedules stand."""

    slug = "no-carrier-service"


class AddressMissing(Refusal):
    """The customer's address has not been heard yet."""

    slug = "address-missing"


class LabelRefused(Refusal):
    """The carrier said no."""

    slug = "label-refused"


class LabelUnsettled(Refusal):
    """The carrier did not answer, or a void is under way."""

    slug = "label-unsettled"


class CarrierSilent(Refusal):
    """The carrier does not answer."""

    slug = "carrier-silent"
    status = 503

    def __init__(self, carrier: str) -> None:
        sentence = (
            f"The carrier {carrier} does not answer; the request is kept and nothing is charged twice: put the parcel aside, and ask again soon."
        )
        super().__init__(sentence, carrier=carrier)


class VoidRefused(Refusal):
    """The carrier keeps the label."""

    slug = "void-refused"


class NoLabel(Refusal):
    """There is no label to do this with."""

    slug = "no-label"


class PastThat(Refusal):
    """The parcel is further on than this allows."""

    slug = "parcel-past-that"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the parcel goes: what stands on a label, and no more. No mail address, no telephone number: the carrier tells the customer nothing."""

    name: str
    line1: str
    line2: str | None
    city: str
    region: str | None
    postcode: str
    country: str


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """What a carrier is asked for. `reference` is the idempotency key: the same reference is the same label, however often it is sent.

    `terms` and `closed_on` are what our contract with the carrier says of this lane.
    """

    reference: str
    carrier: str
    carrier_service: str
    site: str
    weight_grams: int
    to: Address
    terms: Lane
    closed_on: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class BoughtLabel:
    """What a carrier sold. `barcode` is what a scanner reads off the parcel."""

    tracking_number: str
    barcode: str
    zpl: str
    price: Money


@dataclass(frozen=True, slots=True)
class Label:
    """One label as the books hold it."""

    reference: str
    parcel_id: UUID
    carrier: str
    carrier_service: str
    state: LabelState
    bought: BoughtLabel | None
    problem: str | None
    cause: Cause


@dataclass(frozen=True, slots=True)
class Parcel:
    """One carton."""

    parcel_id: UUID
    order_id: UUID
    site: str
    carton: str
    weight_grams: int
    state: ParcelState
    staging_lane: str | None
    load_list_id: UUID | None
    manifest_id: UUID | None
    packed_at: datetime


def carrier_service_of(shipment: Shipment | None, services: Mapping[str, CarrierService], code: str | None = None) -> tuple[CarrierService, Lane]:
    """The service that the parcel leaves with (`code`, or the one the shipment aims at), and the lane. Raises NoCarrierService, NotFound."""
    if shipment is None or shipment.state is ShipmentState.CANCELLED:
        raise NotFound
    service = services.get(code or shipment.carrier_service or "")
    lane = lane_for(service, shipment.country, shipment.postcode_prefix) if service else None
    if service is None or lane is None:
        place = f"{shipment.country} {shipment.postcode_prefix}"
        raise NoCarrierService(
            f"No carrier service that is scheduled goes to {place}: set the parcel aside and ask the planner to schedule one.",
            carrier_service=shipment.carrier_service,
        )
    return service, lane


def refuse_relabel(parcel: Parcel, label: Label) -> None:
    """Raises LabelUnsettled where the present label is being voided, PastThat where the parcel has left."""
    if label.state is LabelState.VOIDING:
        raise LabelUnsettled("The old label is being voided: ask again in a moment.", state=label.state)
    if parcel.state in (ParcelState.HANDED_OVER, ParcelState.DELIVERED):
        raise PastThat("The parcel has left the house: its label is shown on the parcel's page.", state=parcel.state)


def refuse_void(parcel: Parcel, label: Label | None, manifest_closed: bool) -> None:
    """Raises NoLabel, PastThat or LabelUnsettled where the label cannot be voided now."""
    if label is None:
        raise NoLabel("The parcel carries no label: nothing has to be voided.", parcel_id=parcel.parcel_id)
    if label.state is LabelState.WANTED:
        raise LabelUnsettled("The carrier has not answered for this label yet: ask for the label again first.", state=label.state)
    if manifest_closed or parcel.state in (ParcelState.HANDED_OVER, ParcelState.DELIVERED):
        raise PastThat("The carrier's manifest is closed: have the parcel intercepted at the carrier.", state=parcel.state)
    if parcel.state is ParcelState.LOADED:
        raise PastThat("The parcel is in a trailer: unload it first.", state=parcel.state, load_list_id=parcel.load_list_id)
