"""A provider and a book in memory, for the handlers to work with."""

from collections import deque
from dataclasses import dataclass, field
from uuid import UUID

from demo.provider.app import How
from services.kit.values import Money
from services.orders.payments.domain import Reason
from services.orders.payments.ports import Asked, ProviderAway, ProviderRefused, Refunded


@dataclass
class FakeProvider:
    """Misbehaves as the real one does; `calls` are what it was asked, in order."""

    done: dict[UUID, Refunded] = field(default_factory=dict)
    calls: list[tuple[str, UUID]] = field(default_factory=list)
    commanded: dict[str, deque[How]] = field(default_factory=lambda: {"POST": deque(), "GET": deque()})

    def misbehave(self, how: How, times: int = 1, method: str = "POST") -> None:
        self.commanded[method].extend([how] * times)

    def moved(self) -> list[tuple[UUID, int, str]]:
        return [(key, each.amount.amount_minor, each.refund_id.rpartition("|")[2]) for key, each in self.done.items()]

    async def refund(self, key: UUID, payment_reference: str, amount: Money) -> Refunded:
        self.calls.append(("refund", key))
        how = self._next("POST")
        if how is How.REFUSES:
            raise ProviderRefused("the card was closed")
        if how not in (How.SILENT, How.FAILS):
            done = self.done.setdefault(key, Refunded(f"re|{payment_reference}", amount))
            if done != Refunded(f"re|{payment_reference}", amount):
                raise ProviderRefused("the key stands for another refund")
        if how is not None:
            raise ProviderAway("no answer")
        return self.done[key]

    async def find(self, key: UUID) -> Refunded | None:
        self.calls.append(("find", key))
        if self._next("GET") is not None:
            raise ProviderAway("no answer")
        return self.done.get(key)

    def _next(self, method: str) -> How | None:
        return self.commanded[method].popleft() if self.commanded[method] else None


@dataclass
class FakeBook:
    """What is owed; `begun` is handed out once, `left` again and again until it is settled."""

    begun: list[Asked] = field(default_factory=list)
    left: list[Asked] = field(default_factory=list)
    credited: int = 0
    settled: list[tuple[str, UUID, str]] = field(default_factory=list)

    async def begin(self, limit: int) -> tuple[list[Asked], int]:
        begun, credited = self.begun[:limit], self.credited
        self.begun, self.credited = self.begun[limit:], 0
        return begun, len(begun) + credited

    async def unsettled(self, older_than_seconds: int, limit: int) -> list[Asked]:
        return self.left[:limit]

    async def paid(self, promise_id: UUID, refund_id: str) -> None:
        self.settled.append(("paid", promise_id, refund_id))

    async def refuse(self, promise_id: UUID, reason: Reason) -> None:
        self.settled.append(("refused", promise_id, reason))

    async def withdraw(self, promise_id: UUID) -> None:
        self.settled.append(("withdrawn", promise_id, ""))
