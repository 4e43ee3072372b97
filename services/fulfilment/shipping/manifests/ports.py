"""What closing a manifest needs. Each call is a transaction of its own, since the carrier is called between them."""

from typing import Protocol
from uuid import UUID

from services.fulfilment.shipping.dock.domain import Manifest
from services.fulfilment.shipping.labels.ports import ManifestRequest


class ManifestBook(Protocol):
    """The manifests as the books hold them."""

    async def freeze(self, manifest_id: UUID, by: str) -> tuple[Manifest, ManifestRequest]:
        """The manifest, to which nothing is added from now on, and what the carrier is told. Raises NotFound."""

    async def transmitted(self, manifest_id: UUID, confirmation: str) -> Manifest:
        """Record the carrier's confirmation; once, however often it is called."""

    async def refused(self, manifest_id: UUID, why: str) -> None:
        """Record why the carrier does not take it."""

    async def unsettled(self, older_than_seconds: int) -> list[UUID]:
        """Frozen manifests that the carrier was not asked about for so long, by the database's clock; they count as asked about now."""
