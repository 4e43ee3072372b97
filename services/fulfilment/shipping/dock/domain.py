"""What may go into which trailer, and when a trailer may leave. A load list is what stands in one trailer; a carrier manifest is what one carrier
takes along from one site on one day, and is never amended: what comes later opens another.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from services.fulfilment.shipping.labels.domain import Label, LabelState, NoLabel, Parcel, ParcelState, PastThat
from services.fulfilment.shipping.schedule.domain import CarrierService, departures_from
from services.kit.values import Refusal


class ListState(StrEnum):
    """A trailer's way."""

    OPEN = "open"
    CLOSED = "closed"
    HANDED_OVER = "handed_over"


class ManifestState(StrEnum):
    """`closing`: frozen, and the carrier may or may not have it; sending it again settles that."""

    OPEN = "open"
    CLOSING = "closing"
    TRANSMITTED = "transmitted"


class NoSuchDeparture(Refusal):
    """Nothing leaves then."""

    slug = "no-such-departure"


class NoSuchService(Refusal):
    """No carrier service has this code here."""

    slug = "no-such-carrier-service"


class OtherContent(Refusal):
    """The id stands for something else."""

    slug = "id-reused"


class ListNotOpen(Refusal):
    """The trailer takes nothing more."""

    slug = "load-list-not-open"


class ListNotClosed(Refusal):
    """The trailer has to be closed first."""

    slug = "load-list-not-closed"


class ManifestNotTransmitted(Refusal):
    """The carrier has not been told what it takes along."""

    slug = "manifest-not-transmitted"


class ManifestFrozen(Refusal):
    """The manifest is with the carrier."""

    slug = "manifest-frozen"


class ManifestRefused(Refusal):
    """The carrier does not take the manifest."""

    slug = "manifest-refused"


class WrongTrailer(Refusal):
    """The parcel belongs elsewhere."""

    slug = "wrong-trailer"


class NotInThisTrailer(Refusal):
    """The parcel is not in it."""

    slug = "not-in-this-trailer"


@dataclass(frozen=True, slots=True)
class LoadList:
    """One trailer for one departure."""

    load_list_id: UUID
    site: str
    carrier_service: str
    departs_at: datetime
    state: ListState = ListState.OPEN


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one carrier takes along from one site on one day."""

    manifest_id: UUID
    carrier: str
    site: str
    ship_on: date
    state: ManifestState
    confirmation: str | None


def new_list(load_list_id: UUID, service: CarrierService | None, code: str, departs_at: datetime) -> LoadList:
    """A trailer for this departure. Raises NoSuchService, NoSuchDeparture (with the one that follows)."""
    if service is None:
        raise NoSuchService("No such carrier service is scheduled from here: choose one from the departures.")
    following = next(departures_from(service, departs_at), None)
    if following is None or following.departs_at != departs_at:
        then = following.departs_at.isoformat() if following else None
        raise NoSuchDeparture(f"{code} does not leave then: take a departure of its schedule.", carrier_service=code, next_departs_at=then)
    return LoadList(load_list_id, service.site, code, departs_at)


def refuse_other_list(wanted: LoadList, present: LoadList) -> None:
    """Raises OtherContent where a repeated request for a list is not the same request."""
    if replace(present, state=ListState.OPEN) != wanted:
        raise OtherContent("This load_list_id stands for another trailer: send a new one.", load_list_id=present.load_list_id)


def refuse_stage(parcel: Parcel, label: Label | None) -> None:
    """Raises NoLabel or PastThat where the parcel cannot be staged."""
    if parcel.state not in (ParcelState.PACKED, ParcelState.STAGED):
        raise PastThat(f"The parcel is {parcel.state.replace('_', ' ')}: it needs no staging lane.", state=parcel.state)
    if label is None or label.state is not LabelState.BOUGHT:
        raise NoLabel("The parcel carries no label yet: label it first.", parcel_id=parcel.parcel_id)


def refuse_load(load_list: LoadList, parcel: Parcel, label: Label | None) -> None:
    """Raises ListNotOpen, NoLabel, WrongTrailer (with where the parcel belongs) or PastThat where it may not go into this trailer."""
    if load_list.state is not ListState.OPEN:
        raise ListNotOpen("This trailer is closed: open another load list for the same departure or the next one.", state=load_list.state)
    if label is None or label.state is not LabelState.BOUGHT:
        raise NoLabel("The parcel carries no label yet: bring it back to the bench.", parcel_id=parcel.parcel_id)
    if label.carrier_service != load_list.carrier_service or parcel.site != load_list.site:
        raise WrongTrailer(
            f"Not here: this parcel goes with {label.carrier_service} from {parcel.site}.",
            belongs_to=label.carrier_service, site=parcel.site, staging_lane=parcel.staging_lane,
        )  # fmt: skip
    if parcel.state is ParcelState.LOADED and parcel.load_list_id != load_list.load_list_id:
        raise WrongTrailer(
            "This parcel was scanned into another trailer: unload it there first.", belongs_to=label.carrier_service, load_list_id=parcel.load_list_id
        )
    if parcel.state in (ParcelState.HANDED_OVER, ParcelState.DELIVERED):
        raise PastThat("The carrier has this parcel already: set it aside and ask the shift lead.", state=parcel.state)


def refuse_unload(load_list: LoadList, parcel: Parcel, *, held: bool) -> None:
    """Raises ListNotOpen or NotInThisTrailer where the parcel cannot be taken out. One whose order is held leaves a closed trailer as well."""
    if load_list.state is ListState.HANDED_OVER or (load_list.state is ListState.CLOSED and not held):
        raise ListNotOpen("This trailer is closed: reopen its load list first, while the manifest is open.", state=load_list.state)
    if parcel.load_list_id not in (None, load_list.load_list_id):
        raise NotInThisTrailer("This parcel is in another trailer.", load_list_id=parcel.load_list_id)


def refuse_reopen(load_list: LoadList, manifests: Iterable[Manifest]) -> None:
    """Raises ListNotClosed or ManifestFrozen where the trailer cannot be opened again."""
    if load_list.state is ListState.HANDED_OVER:
        raise ListNotClosed("The trailer has left: have the parcels intercepted at the carrier.", state=load_list.state)
    frozen = [manifest.manifest_id for manifest in manifests if manifest.state is not ManifestState.OPEN]
    if frozen:
        raise ManifestFrozen("The carrier's manifest is closed and is never amended: open another load list.", manifests=frozen)


def refuse_hand_over(load_list: LoadList, manifests: Iterable[Manifest]) -> None:
    """Raises ListNotClosed or ManifestNotTransmitted where the trailer may not leave."""
    if load_list.state is ListState.OPEN:
        raise ListNotClosed("The load list is open: close it first.", state=load_list.state)
    waiting = [manifest.manifest_id for manifest in manifests if manifest.state is not ManifestState.TRANSMITTED]
    if waiting:
        raise ManifestNotTransmitted("The carrier has not got the manifest: close it first.", manifests=waiting)


def ship_on(service: CarrierService, departs_at: datetime) -> date:
    """The manifest's day: the site's local day of the departure."""
    return departs_at.astimezone(ZoneInfo(service.zone)).date()
