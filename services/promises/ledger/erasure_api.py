"""Erasure of a customer's personal data over HTTP, in the process that writes the ledger."""

from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from services.kit.http import Caller, IdempotencyKey, Routes, operation
from services.promises.ledger.answering import erasure_response
from services.promises.ledger.batch import AskedErasure
from services.promises.ledger.commands_api import desk_of

_DONE = {201: "Erased in the ledger; each department follows.", 200: "It was erased already, by this request or another."}

router = Routes()


@router.post(
    "/v1/customers/{customer_id}/erasure",
    **operation(access={"admin": "all", "service": "all"}, owner={"customer_id": "customer"}, answers=_DONE, idempotent=True),
)
async def post_erasure(request: Request, customer_id: UUID, caller: Caller, key: IdempotencyKey) -> Response:
    """Every word said to them goes, and what would let it be guessed. Their promises must be settled; nothing is promised to them after."""
    desk = desk_of(request)
    by = desk.by(caller)
    asked = AskedErasure(by.scope("erase"), key, customer_id, by.actor, by.now)
    return erasure_response(asked, await desk.writer.ask(asked))
