"""Labels over HTTP: the packer asks for one, may void it, and anybody in the house may look at a parcel."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from services.fulfilment.shipping.labels import handlers, queries
from services.fulfilment.shipping.labels.domain import AddressMissing, CarrierSilent, Label, LabelUnsettled
from services.fulfilment.shipping.labels.store import Labels
from services.fulfilment.shipping.settings import account_of, database_of, shipping_settings
from services.kit.http import Caller, Problem, Routes, answer, cause_of, operation
from services.kit.http.routing import Access
from services.kit.values import NotFound

_PARCEL = {"parcel_id": "parcel"}
_PACKERS: Access = {"picker": "own"}
_BENCH: Access = {"picker": "own", "loader": "own"}
_STAFF: Access = {"picker": "own", "loader": "own", "care": "all", "planner": "all", "admin": "all"}
_RETRY_AFTER_SECONDS = {AddressMissing: "3", LabelUnsettled: "3", CarrierSilent: "10"}

router = Routes()


@router.post(
    "/v1/parcels/{parcel_id}/label",
    **operation(access=_PACKERS, owner=_PARCEL, answers={200: "The label, bought once however often it is asked for."}),
)
async def post_label(request: Request, parcel_id: UUID, caller: Caller) -> Response:
    await _see(request, parcel_id, caller.site)
    with _worth_repeating():
        label = await handlers.buy(parcel_id, caller.subject, cause_of(request), _labels(request), account_of(request))
    return answer(_shown(label))


@router.post("/v1/parcels/{parcel_id}/label/void", **operation(access=_BENCH, owner=_PARCEL, answers={200: "The parcel carries no label any more."}))
async def post_void(request: Request, parcel_id: UUID, caller: Caller) -> Response:
    await _see(request, parcel_id, caller.site)
    with _worth_repeating():
        await handlers.void(parcel_id, _labels(request), account_of(request))
    return await get_parcel(request, parcel_id, caller)


@router.get("/v1/parcels/{parcel_id}", **operation(access=_STAFF, owner=_PARCEL))
async def get_parcel(request: Request, parcel_id: UUID, caller: Caller) -> Response:
    return answer(await _see(request, parcel_id, caller.site if caller.scope == "own" else None))


async def _see(request: Request, parcel_id: UUID, site: str | None) -> queries.ParcelView:
    async with database_of(request).transaction() as work:
        view = await queries.parcel(work, parcel_id)
    if view is None or site not in (None, view.site):
        raise NotFound
    return view


def _labels(request: Request) -> Labels:
    return Labels(database_of(request), shipping_settings().rates)


def _shown(label: Label) -> dict[str, object]:
    bought = label.bought
    assert bought is not None, f"label {label.reference} is bought, and holds nothing"
    return {
        "parcel_id": label.parcel_id,
        "carrier_service": label.carrier_service,
        "tracking_number": bought.tracking_number,
        "barcode": bought.barcode,
        "zpl": bought.zpl,
        "label_minor": bought.price.amount_minor,
        "currency": bought.price.currency,
    }


@contextmanager
def _worth_repeating() -> Iterator[None]:
    """Refusals that pass by themselves say when to ask again."""
    try:
        yield
    except (AddressMissing, LabelUnsettled, CarrierSilent) as refusal:
        headers = {"retry-after": _RETRY_AFTER_SECONDS[type(refusal)]}
        raise Problem(refusal.status, refusal.slug, refusal.sentence, headers=headers, extra=refusal.facts) from refusal
