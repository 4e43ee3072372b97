"""What the floor's handlers need: tasks under lock, the audit of scans and claims, the catalogue, and the parcels that shipping keeps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from services.fulfilment.domain import Says
from services.fulfilment.floor.domain.events import Reason
from services.fulfilment.floor.domain.refusals import NotOpen, StaleClaim
from services.fulfilment.floor.domain.task import Item, Task

_NOT_JUDGED = frozenset({StaleClaim.slug, NotOpen.slug})


@dataclass(frozen=True, slots=True)
class Who:
    """A person at the floor. `site` is where they may work, None for everywhere."""

    subject: str
    site: str | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan as the device tells it; `scan_id` is the device's, the same however often it is sent."""

    scan_id: UUID
    fence: int
    code: str
    quantity: int
    bin: str | None
    device: str | None
    occurred_at: datetime | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a scan was answered. `verdict` is `picked`, or the slug of a refusal with its status; `answer` is what the device is shown."""

    scan: Scan
    status: int
    verdict: str
    answer: Mapping[str, Any]
    position: int | None = None

    @property
    def counts(self) -> bool:
        """Whether it is kept. A scan under a lost claim is not judged at all: sent again under a new one, it may be right."""
        return self.verdict not in _NOT_JUDGED


@dataclass(frozen=True, slots=True)
class Recorded:
    """A scan as the audit has it."""

    scan_id: UUID
    task_id: UUID
    code: str
    quantity: int
    bin: str | None
    position: int | None
    status: int
    verdict: str
    answer: Mapping[str, Any]
    undone: bool


@dataclass(frozen=True, slots=True)
class ShortReport:
    report_id: UUID
    line: int
    sku: str
    bin: str
    found: int
    missing: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Items by what a scanner may read (SKU or barcode), and by SKU."""

    by_code: Mapping[str, Sequence[Item]]
    by_sku: Mapping[str, Item]

    def description(self, sku: str) -> str:
        return self.by_sku[sku].description if sku in self.by_sku else ""


@dataclass(frozen=True, slots=True)
class CancelDecision:
    """`refused_in` is the state that stood against it, None when it was accepted."""

    order_id: UUID
    request_id: UUID
    refused_in: str | None


class FloorStore(Says, Protocol):
    @property
    def now(self) -> datetime:
        """The business instant."""

    async def of_orders(self, orders: Iterable[UUID], also: Iterable[UUID] = ()) -> dict[UUID, Task]:
        """The tasks of these orders, by order, locked in id order; those of the orders in `also` are locked with them, and not read."""

    async def lock(self, task_id: UUID, who: Who) -> Task:
        """The task, locked. Raises NotFound, also for one of another site."""

    async def save(self, tasks: Sequence[Task]) -> None:
        """Write what changed. A task that is held gets its whole lease again."""

    async def alone(self, picker: str) -> None:
        """Nobody else claims for this picker until the commit."""

    async def held_by(self, picker: str) -> Task | None:
        """The task this picker has, locked."""

    async def holding(self, picker: str) -> UUID | None:
        """The id of the task this picker has, not locked."""

    async def next_free(self, site: str) -> Task | None:
        """The task with the least slack that nobody holds or whose lease ran out, locked; tasks that another transaction has are passed over."""

    async def refuse_held(self, order_id: UUID) -> None:
        """Raises OrderStopped while a hold stands on the order."""

    async def refuse_changing(self, order_id: UUID) -> None:
        """Raises OrderStopped while a change of the order is not settled."""

    async def claimed(self, claim_id: UUID) -> tuple[UUID, str, int] | None:
        """Task, picker and fence of a claim that was made."""

    async def record_claim(self, claim_id: UUID, task: Task) -> None: ...

    async def catalogue(self, task: Task, codes: Iterable[str]) -> Catalogue: ...

    async def recorded(self, scan_ids: Sequence[UUID]) -> dict[UUID, Recorded]: ...

    async def record_scans(self, task: Task, by: str, verdicts: Sequence[Verdict]) -> None: ...

    async def last_picked(self, task_id: UUID) -> Recorded | None:
        """The task's last scan that counted and was not undone."""

    async def mark_undone(self, scan_id: UUID) -> None: ...

    def forget_scans(self, task_id: UUID, positions: Sequence[int]) -> None:
        """What was scanned at these stops is no longer picked there."""

    async def reported(self, report_id: UUID, task_id: UUID) -> bool:
        """Whether this shortage was reported before."""

    async def record_short(self, task: Task, by: str, report: ShortReport) -> None: ...

    async def decided(self, request_ids: Iterable[UUID]) -> dict[tuple[UUID, UUID], CancelDecision]:
        """What these requests to cancel were answered, by order and request."""

    async def record_decisions(self, decisions: Sequence[CancelDecision]) -> None: ...

    async def parcel_known(self, parcel_id: UUID) -> bool: ...

    def sees_what_is_promised(self, task: Task) -> None:
        """Whoever has the task has read what was promised with it."""

    def picked_as_promised(self, task: Task) -> None:
        """What was promised with the order is in its carton."""

    def lacks_its_goods(self, order_id: UUID, *, over: bool = False) -> None:
        """The date that was promised for the order is at risk, as its units are nowhere, until that is `over`."""

    async def come_without(self, order_id: UUID, line: int) -> None:
        """The order goes on without what was promised on this line."""


class Parcels(Protocol):
    """Shipping's side of the pack station."""

    async def add(self, task: Task) -> None:
        """A packed order's parcel, to be labelled."""

    async def drop(self, parcel_id: UUID) -> bool:
        """The parcel is unpacked again. False once it is labelled: then it stays."""
