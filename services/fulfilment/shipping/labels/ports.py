"""A carrier as shipping sees it. Each has an adapter of its own; all promise the same about repeated and lost calls."""

from dataclasses import dataclass
from datetime import date
from typing import Protocol
from uuid import UUID

from services.fulfilment.shipping.labels.domain import BoughtLabel, Label, LabelRequest
from services.kit.values import Cause


class CarrierAway(Exception):
    """No answer, or a broken one: whether the carrier did it is not known. Ask, or send the same again."""


class CarrierRefused(Exception):
    """The carrier said no, and why, in one sentence of its own: the same request again gets the same answer."""


@dataclass(frozen=True, slots=True)
class ManifestRequest:
    """What a carrier is told of what it takes along. `manifest_id` is the idempotency key."""

    manifest_id: UUID
    site: str
    ship_on: date
    tracking_numbers: tuple[str, ...]


class Carrier(Protocol):
    """One carrier account."""

    async def buy(self, request: LabelRequest) -> BoughtLabel:
        """The label of this reference, bought once however often it is asked for. Raises CarrierAway, CarrierRefused."""

    async def find(self, reference: str) -> BoughtLabel | None:
        """The label bought under this reference, None when there is none. Raises CarrierAway."""

    async def void(self, reference: str) -> None:
        """No label of this reference is charged any more. May be repeated. Raises CarrierAway, CarrierRefused."""

    async def transmit(self, manifest: ManifestRequest) -> str:
        """The carrier's confirmation of the manifest, once however often it is sent. Raises CarrierAway, CarrierRefused."""


class LabelBook(Protocol):
    """The labels as the books hold them. Each call is a transaction of its own, since a carrier is called between them."""

    async def want(self, parcel_id: UUID, by: str, cause: Cause) -> tuple[Label, bool]:
        """The parcel's live label; one is wanted now where there was none (True). Raises a Refusal where the parcel may get none."""

    async def request_of(self, reference: str) -> LabelRequest:
        """What the carrier is asked for."""

    async def bought(self, reference: str, bought: BoughtLabel) -> Label:
        """Record what the carrier sold and announce it; once, however often it is called."""

    async def refused(self, reference: str, why: str) -> None:
        """Record that the carrier sells no label under this reference."""

    async def begin_void(self, parcel_id: UUID) -> Label:
        """The label that is being voided from now on; the parcel is back on the bench. Raises a Refusal where it cannot be."""

    async def end_void(self, reference: str, *, void: bool) -> None:
        """The carrier voided the label, or refused to, and it stands as before."""

    async def unsettled(self, older_than_seconds: int) -> list[Label]:
        """Labels that nobody has asked the carrier about for so long, by the database's clock; they count as asked about now."""
