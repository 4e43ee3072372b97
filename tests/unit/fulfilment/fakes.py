"""Stock and floor kept in dictionaries, with the same answers as the stores in SQL."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.fulfilment.amending.domain import Amendment, AmendmentState, PullBack
from services.fulfilment.amending.ports import Changes, Key
from services.fulfilment.domain import ItemListed, WorkEvent
from services.fulfilment.floor.domain.task import Item, Task, TaskState
from services.fulfilment.floor.ports import CancelDecision, Catalogue, Recorded, ShortReport, Verdict, Who
from services.fulfilment.holds import OrderStopped
from services.fulfilment.shipping.domain import Shipment
from services.fulfilment.stock.domain import IdReused, Instead, Kind, Movement, Place, Shelf, Want, WantState
from services.fulfilment.stock.ports import Books
from services.kit.values import Cause, Heard, NotFound
from tests.unit.fulfilment.build import NOW

_INCREASING = {Kind.RECEIPT, Kind.RELEASE, Kind.UNPICK, Kind.ADJUST, Kind.CLEAR}


@dataclass
class Said:
    """Collects what is said."""

    events: list[WorkEvent] = field(default_factory=list)

    def say(self, event: WorkEvent, cause: Cause, *, at: datetime | None = None) -> None:
        self.events.append(event)


@dataclass
class FakeStock(Said):
    shelves: dict[Place, Shelf] = field(default_factory=dict)
    wants: dict[UUID, Want] = field(default_factory=dict)
    movements: list[Movement] = field(default_factory=list)
    items: dict[str, ItemListed] = field(default_factory=dict)
    papers: dict[UUID, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)

    async def open(self, orders: Iterable[UUID], places: Iterable[Place] = (), read: Iterable[UUID] = ()) -> Books:
        wants = {id: self.wants[id] for id in {*orders, *read} if id in self.wants}
        named = set(places).union(*(want.places for want in wants.values()))
        earmarked = Counter[Place]()
        for want in self.wants.values():
            if want.ripe:
                earmarked.update({(want.site, line.sku): line.quantity for line in want.lines})
        return Books({place: self.shelves.get(place, Shelf(*place)) for place in named}, wants, earmarked)

    async def record(self, books: Books) -> None:
        for want in books.wants.values():
            assert len({(part.line, part.bin) for part in want.parts}) == len(want.parts), "a primary key"
        self.shelves |= books.shelves
        self.wants |= {id: books.wants[id] for id in books.changed}
        self.movements += books.movements
        grown = {(moved.site, moved.sku) for moved in books.movements if moved.kind in _INCREASING}
        for id, want in self.wants.items():
            if want.state is WantState.SHORT and want.places & grown:
                self.wants[id] = replace(want, ripe=True)

    async def list_items(self, items: Sequence[tuple[ItemListed, int]]) -> None:
        self.items |= {item.sku: item for item, _ in items}

    async def book_paper(self, paper_id: UUID, kind: str, content: Mapping[str, Any], by: str) -> bool:
        known = self.papers.setdefault(paper_id, (kind, content))
        if known != (kind, content):
            raise IdReused("used")
        return known[1] is content

    async def unknown(self, skus: Iterable[str]) -> list[str]:
        return sorted(set(skus) - set(self.items))

    def ripe(self) -> list[UUID]:
        return [want.order_id for want in sorted(self.wants.values(), key=lambda want: (want.placed_at, want.order_id)) if want.ripe]


@dataclass
class FakeFloor(Said):
    tasks: dict[UUID, Task] = field(default_factory=dict)
    claims: dict[UUID, tuple[UUID, str, int]] = field(default_factory=dict)
    scans: dict[UUID, Recorded] = field(default_factory=dict)
    reports: dict[UUID, UUID] = field(default_factory=dict)
    decisions: dict[tuple[UUID, UUID], CancelDecision] = field(default_factory=dict)
    descriptions: dict[str, Item] = field(default_factory=dict)
    stopped: set[UUID] = field(default_factory=set)
    """Orders on which a hold stands."""

    @property
    def now(self) -> datetime:
        return NOW

    async def of_orders(self, orders: Iterable[UUID], also: Iterable[UUID] = ()) -> dict[UUID, Task]:
        wanted = set(orders)
        return {task.order_id: task for task in self.tasks.values() if task.order_id in wanted}

    async def lock(self, task_id: UUID, who: Who) -> Task:
        if task_id not in self.tasks:
            raise NotFound
        return self.tasks[task_id]

    async def save(self, tasks: Sequence[Task]) -> None:
        self.tasks |= {task.task_id: task for task in tasks}

    async def alone(self, picker: str) -> None:
        return None

    async def held_by(self, picker: str) -> Task | None:
        return next((task for task in self.tasks.values() if task.hold and task.hold.by == picker), None)

    async def holding(self, picker: str) -> UUID | None:
        held = await self.held_by(picker)
        return held.task_id if held else None

    async def next_free(self, site: str) -> Task | None:
        open_states = (TaskState.READY, TaskState.CLAIMED, TaskState.PICKED)
        tasks = [task for task in self.tasks.values() if task.site == site and task.order_id not in self.stopped]
        free = [task for task in tasks if task.state in open_states and not task.changing and not (task.hold and task.hold.live)]
        return min(free, key=lambda task: (task.rank_at, task.placed_at, task.task_id), default=None)

    async def refuse_held(self, order_id: UUID) -> None:
        if order_id in self.stopped or self.tasks_of(order_id).changing:
            raise OrderStopped("stopped")

    async def refuse_changing(self, order_id: UUID) -> None:
        if self.tasks_of(order_id).changing:
            raise OrderStopped("changing")

    def tasks_of(self, order_id: UUID) -> Task:
        return next(task for task in self.tasks.values() if task.order_id == order_id)

    async def claimed(self, claim_id: UUID) -> tuple[UUID, str, int] | None:
        return self.claims.get(claim_id)

    async def record_claim(self, claim_id: UUID, task: Task) -> None:
        assert task.hold
        self.claims[claim_id] = (task.task_id, task.hold.by, task.fence)

    async def catalogue(self, task: Task, codes: Iterable[str]) -> Catalogue:
        return Catalogue({code: [self.descriptions[code]] if code in self.descriptions else [] for code in codes}, self.descriptions)

    async def recorded(self, scan_ids: Sequence[UUID]) -> dict[UUID, Recorded]:
        return {id: self.scans[id] for id in scan_ids if id in self.scans}

    async def record_scans(self, task: Task, by: str, verdicts: Sequence[Verdict]) -> None:
        for v in verdicts:
            scan = v.scan
            self.scans[scan.scan_id] = Recorded(
                scan.scan_id, task.task_id, scan.code, scan.quantity, scan.bin, v.position, v.status, v.verdict, v.answer, False
            )

    async def last_picked(self, task_id: UUID) -> Recorded | None:
        mine = [scan for scan in self.scans.values() if scan.task_id == task_id and scan.position is not None and not scan.undone]
        return mine[-1] if mine else None

    async def mark_undone(self, scan_id: UUID) -> None:
        self.scans[scan_id] = replace(self.scans[scan_id], undone=True)

    def forget_scans(self, task_id: UUID, positions: Sequence[int]) -> None:
        for id, scan in self.scans.items():
            if scan.task_id == task_id and scan.position in positions:
                self.scans[id] = replace(scan, undone=True)

    async def reported(self, report_id: UUID, task_id: UUID) -> bool:
        return self.reports.get(report_id) == task_id

    async def record_short(self, task: Task, by: str, report: ShortReport) -> None:
        self.reports[report.report_id] = task.task_id

    async def decided(self, request_ids: Iterable[UUID]) -> dict[tuple[UUID, UUID], CancelDecision]:
        asked = set(request_ids)
        return {key: decision for key, decision in self.decisions.items() if key[1] in asked}

    async def record_decisions(self, decisions: Sequence[CancelDecision]) -> None:
        self.decisions |= {(decision.order_id, decision.request_id): decision for decision in decisions}

    async def parcel_known(self, parcel_id: UUID) -> bool:
        return any(task.parcel_id == parcel_id for task in self.tasks.values())

    def sees_what_is_promised(self, task: Task) -> None:
        """Nothing is promised here."""

    def picked_as_promised(self, task: Task) -> None:
        """Nothing is promised here."""

    def lacks_its_goods(self, order_id: UUID, *, over: bool = False) -> None:
        """Nothing is promised here."""

    async def come_without(self, order_id: UUID, line: int) -> None:
        """Nothing is promised here."""


@dataclass
class FakeAmends:
    """Changes beside the floor, whose orders they hold. `shipments` are what shipping knows, `parcels` what is packed."""

    floor: FakeFloor
    parcels: "FakeParcels"
    known: dict[Key, Amendment] = field(default_factory=dict)
    shipments: dict[UUID, Shipment] = field(default_factory=dict)
    instead: dict[Place, Instead] = field(default_factory=dict)
    pull_backs: dict[UUID, PullBack] = field(default_factory=dict)
    now: datetime = NOW

    async def open(self, orders: Collection[UUID], requests: Collection[UUID]) -> Changes:
        asked = {key: each for key, each in self.known.items() if key[1] in requests}
        pending = {key: each for key, each in self.known.items() if key[0] in orders and each.state is AmendmentState.PREPARED}
        return Changes(asked | pending)

    async def look_at(self, changes: Changes, orders: Collection[UUID], places: Collection[Place]) -> None:
        changes.shipments, changes.instead = self.shipments, self.instead

    async def record(self, changes: Changes) -> None:
        self.known |= {key: changes.known[key] for key in changes.changed}
        self.pull_backs |= {each.pull_back_id: each for each in changes.pulled}
        for parcel_id in changes.opened:
            assert await self.parcels.drop(parcel_id)
        held = {each.key[0] for each in self.known.values() if each.state is AmendmentState.PREPARED}
        self.floor.tasks = {id: replace(task, changing=task.order_id in held) for id, task in self.floor.tasks.items()}

    async def lock(self, pull_back_id: UUID, who: Who) -> PullBack:
        return self.pull_backs[pull_back_id]

    async def items(self, site: str, code: str) -> Sequence[Item]:
        return [self.floor.descriptions[code]] if code in self.floor.descriptions else []

    def put_away(self, done: PullBack, scan_id: UUID) -> None:
        self.pull_backs[done.pull_back_id] = done


@dataclass
class FakeParcels:
    """`labelled` parcels stay."""

    parcels: set[UUID] = field(default_factory=set)
    labelled: set[UUID] = field(default_factory=set)

    async def add(self, task: Task) -> None:
        assert task.parcel_id
        self.parcels.add(task.parcel_id)

    async def drop(self, parcel_id: UUID) -> bool:
        if parcel_id in self.labelled:
            return False
        self.parcels.discard(parcel_id)
        return True


@dataclass
class Asides:
    """Collects what is set aside."""

    reasons: list[str] = field(default_factory=list)

    def set_aside(self, heard: Heard[Any], reason: str, detail: str) -> None:
        self.reasons.append(reason)
