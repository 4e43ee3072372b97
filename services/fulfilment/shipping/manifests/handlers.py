"""Closes carrier manifests: freeze, transmit under the manifest's own id, record the confirmation. What a crash leaves frozen is sent again."""

from collections.abc import Callable
from uuid import UUID

from services.fulfilment.shipping.dock.domain import Manifest, ManifestRefused, ManifestState
from services.fulfilment.shipping.labels.domain import CarrierSilent
from services.fulfilment.shipping.labels.ports import Carrier, CarrierAway, CarrierRefused
from services.fulfilment.shipping.manifests.ports import ManifestBook

Account = Callable[[str], Carrier]


async def close_manifest(manifest_id: UUID, by: str, book: ManifestBook, account: Account) -> Manifest:
    """The manifest, transmitted once however often this is called. Raises a Refusal that says what to do."""
    manifest, request = await book.freeze(manifest_id, by)
    if manifest.state is ManifestState.TRANSMITTED:
        return manifest
    try:
        confirmation = await account(manifest.carrier).transmit(request)
    except CarrierRefused as error:
        await book.refused(manifest_id, str(error))
        raise ManifestRefused(
            f"The carrier {manifest.carrier} does not take the manifest ({error}): call its desk, then close it again.", carrier=manifest.carrier
        ) from error
    except CarrierAway as error:
        raise CarrierSilent(manifest.carrier) from error
    return await book.transmitted(manifest_id, confirmation)


async def settle_manifests(book: ManifestBook, account: Account, older_than_seconds: int) -> int:
    """Transmit what requests left frozen. Returns how many were transmitted."""
    settled = 0
    for manifest_id in await book.unsettled(older_than_seconds):
        try:
            await close_manifest(manifest_id, "worker", book, account)
            settled += 1
        except (CarrierSilent, ManifestRefused):
            continue
    return settled
