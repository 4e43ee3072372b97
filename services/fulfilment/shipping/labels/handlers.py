"""Buys and voids labels: note the intent, ask the carrier, note the answer. A crash between the two notes leaves an intent that is settled by
asking the carrier under the same reference, by the next request or by the worker.
"""

from collections.abc import Callable
from uuid import UUID

from services.fulfilment.shipping.labels.domain import AddressMissing, CarrierSilent, Label, LabelRefused, LabelState, NoCarrierService, VoidRefused
from services.fulfilment.shipping.labels.ports import Carrier, CarrierAway, CarrierRefused, LabelBook
from services.kit.values import Cause

Account = Callable[[str], Carrier]
"""The account with the carrier of this name. Raises CarrierAway where none is configured."""


async def buy(parcel_id: UUID, by: str, cause: Cause, book: LabelBook, account: Account) -> Label:
    """The parcel's label, bought once however often this is called. Raises a Refusal that says what to do."""
    label, is_new = await book.want(parcel_id, by, cause)
    return label if label.state is LabelState.BOUGHT else await _settle(label, book, account, ask_first=not is_new)


async def void(parcel_id: UUID, book: LabelBook, account: Account) -> None:
    """The parcel carries no label any more, and none is charged. Raises a Refusal that says what to do."""
    await _settle_void(await book.begin_void(parcel_id), book, account)


async def settle_all(book: LabelBook, account: Account, older_than_seconds: int) -> int:
    """Settle what requests left open. Returns how many were settled; what the carrier still does not answer waits for another time."""
    settled = 0
    for label in await book.unsettled(older_than_seconds):
        try:
            if label.state is LabelState.VOIDING:
                await _settle_void(label, book, account)
            else:
                await _settle(label, book, account, ask_first=True)
            settled += 1
        except (CarrierSilent, AddressMissing, NoCarrierService):
            continue
        except (LabelRefused, VoidRefused):
            settled += 1
    return settled


async def _settle(label: Label, book: LabelBook, account: Account, *, ask_first: bool) -> Label:
    request = await book.request_of(label.reference)
    try:
        carrier = account(label.carrier)
        found = await carrier.find(label.reference) if ask_first else None
        if found is None:
            try:
                found = await carrier.buy(request)
            except CarrierAway:
                found = await carrier.find(label.reference)
        if found is None:
            raise CarrierAway(f"label {label.reference} was asked for, and the carrier has none")
    except CarrierRefused as error:
        await book.refused(label.reference, str(error))
        raise LabelRefused(
            f"The carrier {label.carrier} sells no label for this parcel ({error}): have the address or the weight corrected, then ask again.",
            carrier=label.carrier,
        ) from error
    except CarrierAway as error:
        raise CarrierSilent(label.carrier) from error
    return await book.bought(label.reference, found)


async def _settle_void(label: Label, book: LabelBook, account: Account) -> None:
    try:
        await account(label.carrier).void(label.reference)
    except CarrierRefused as error:
        await book.end_void(label.reference, void=False)
        raise VoidRefused(
            f"The carrier {label.carrier} does not void this label ({error}): it stands; have the parcel intercepted.", carrier=label.carrier
        ) from error
    except CarrierAway as error:
        raise CarrierSilent(label.carrier) from error
    await book.end_void(label.reference, void=True)
