"""Fulfilment as the ledger needs it: holds what it is told to, and says no to the rest."""

from uuid import UUID

from services.kit.http import Problem
from services.kit.promise.state import Made
from services.kit.values import Refusal
from services.promises.ledger.domain.commands import CannotBeHeld


class Shelves:
    """Has one of everything but what is `gone`, and does not answer about what is `silent`; remembers what it was asked for."""

    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.silent: set[str] = set()
        self.asked: list[UUID] = []

    async def hold(self, promise_id: UUID, said: Made) -> Refusal | None:
        self.asked.append(promise_id)
        wanted = {duty.sku for duty in said.duties if duty.sku}
        if self.silent & wanted:
            raise Problem(503, "nothing-can-be-held", "Nobody answers.")
        missing = self.gone & wanted
        return CannotBeHeld("not-in-stock", "There is none.", {"instead": ["call_back"]}) if missing else None
