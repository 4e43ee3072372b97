"""Where carriers tell us of parcels: public, and open only to what they signed; and what of it was set aside."""

from typing import Annotated

from fastapi import Path, Request
from starlette.responses import Response

from services.fulfilment.shipping.settings import database_of, secrets_of
from services.fulfilment.shipping.tracking import queries
from services.fulfilment.shipping.tracking.messages import CarrierEvent, verified_id
from services.fulfilment.shipping.tracking.store import Tracking
from services.fulfilment.work import WorkLog
from services.kit.failpoints import ARMED, hit
from services.kit.http import Guesses, PageSize, Problem, Routes, address_of, answer, cause_of, operation
from services.kit.http.body import parse

_misses = Guesses("carrier-signature", 30, 60)

router = Routes()


@router.post(
    "/v1/webhooks/carriers/{carrier}",
    **operation(
        access="public", body=CarrierEvent, answers={200: "Heard, now or before.", 202: "Heard, and set aside for a person: no such parcel with you."}
    ),
)
async def post_webhook(request: Request, carrier: Annotated[str, Path(max_length=32)]) -> Response:
    """401 for whatever is not signed by the carrier within 5 minutes of now, an unknown carrier included: nobody learns which. Who is
    wrong too often is refused for a while (429); who signs well never is."""
    body = await request.body()
    message_id = verified_id(secrets_of(request, carrier), request.headers, body)
    if message_id is None:
        await _misses.count(database_of(request), f"{carrier} {address_of(request)}")
        raise Problem(401, "not-signed", "The webhook carries no valid signature of this carrier: sign it anew, with the time of now.")
    event = parse(CarrierEvent, body)
    assert isinstance(event, CarrierEvent)
    async with database_of(request).transaction() as work:
        log = WorkLog(work)
        tracking = Tracking(work, log)
        if not await tracking.is_new(carrier, message_id):
            return answer({"event_id": event.event_id, "heard": "before"})
        if ARMED:
            hit("webhook.heard")
        aside = await tracking.hear(carrier, event.said(), cause_of(request))
        await log.flush()
    if aside is not None:
        return answer({"event_id": event.event_id, "heard": "set-aside", "reason": aside.value}, 202)
    return answer({"event_id": event.event_id, "heard": "now"})


@router.get("/v1/carrier-events", **operation(access={"care": "all", "planner": "all", "admin": "all"}))
async def get_set_aside(request: Request, limit: PageSize = 50) -> Response:
    """What carriers said that could not be true of a parcel of ours, newest first: for a person to look at."""
    async with database_of(request).transaction() as work:
        return answer(await queries.set_aside(work, limit))
