"""Asks fulfilment to hold what a promise needs, before it is made: two services share no transaction, so that what is held comes first, and what
nobody confirmed is asked about (`services/fulfilment/duties/`)."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import msgspec

from services.kit.calling import Away, call
from services.kit.http import Problem
from services.kit.promise.state import Made
from services.kit.settings import KitSettings
from services.kit.values import Refusal
from services.promises.ledger.batch import Asked
from services.promises.ledger.domain.commands import CannotBeHeld, Make, decide
from services.promises.ledger.domain.kinds import SHAPES, WITHOUT_GOODS

if TYPE_CHECKING:
    import httpx

_HELD, _NO = 200, (409, 422)
_FIXED = ("type", "title", "status", "detail", "instance")


class Holder(Protocol):
    async def hold(self, promise_id: UUID, said: Made) -> Refusal | None:
        """Have it held. Returns why it cannot be. Raises Problem (503) where nobody answers: that is not remembered."""


class Fulfilment:
    """The holder over HTTP."""

    def __init__(self, settings: KitSettings, transport: "httpx.AsyncBaseTransport | None" = None) -> None:
        self._settings, self._transport = settings, transport

    async def hold(self, promise_id: UUID, said: Made) -> Refusal | None:
        sku = next((duty.sku for duty in said.duties if duty.sku), None)
        body = {"order_id": said.order_id, "sku": sku, "quantity": said.quantity, "due_at": said.due.at}
        url = f"{self._settings.fulfilment_url}/v1/promise-holds/{promise_id}"
        try:
            answered = await call(self._settings, "promises", "PUT", url, body, self._transport)
        except Away:
            raise _nobody_answers() from None
        if answered.status_code == _HELD:
            return None
        if answered.status_code not in _NO:
            raise _nobody_answers()
        told: dict[str, Any] = msgspec.json.decode(answered.content)
        facts = {name: value for name, value in told.items() if name not in _FIXED}
        return CannotBeHeld(told["type"].rpartition(":")[2], told["detail"], {**facts, "instead": list(WITHOUT_GOODS)})


def needs_goods(asked: Asked) -> bool:
    """Whether goods, or a place on a departure, are promised, and nothing else stands against it."""
    if not isinstance(asked.command, Make) or not SHAPES[asked.command.made.kind].held:
        return False
    try:
        decide(None, replace(asked.command, held=True), asked.occurred_at)
    except Refusal:
        return False
    return True


async def with_hold(asked: Asked, holder: Holder) -> Asked | Problem:
    """The same command, with what whoever has the goods or the place said; the problem where nobody answers, which is this one's alone."""
    assert isinstance(asked.command, Make)
    try:
        cannot = await holder.hold(asked.promise_id, asked.command.made)
    except Problem as unanswered:
        return unanswered
    return replace(asked, command=replace(asked.command, held=cannot is None, cannot=cannot))


def _nobody_answers() -> Problem:
    sentence = "The warehouse does not answer, so that nothing can be held: promise what needs no goods, or send the same again in a moment."
    return Problem(503, "nothing-can-be-held", sentence, headers={"retry-after": "2"}, extra={"instead": list(WITHOUT_GOODS)})
