"""Prepares changes of orders, carries them out or undoes them, within a batch's books and tasks; and puts away what a change took out of a tote.

Locks: tasks, changes, shelves, wants, shipments, as everywhere here; a pull-back before its shelf.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from services.fulfilment.amending.domain import (
    Amendment,
    AmendmentPrepared,
    AmendmentRefused,
    AmendmentState,
    PullBack,
    Reason,
    changed_task,
    earmarked_for,
    instead_of,
    needed,
    not_there,
    outdated,
    putting_away,
    rearrange,
    refuse_wrong,
    too_late,
)
from services.fulfilment.amending.ports import Changes, PullBacks
from services.fulfilment.domain import AmendmentRequested, OrderAmended, PlacedLine
from services.fulfilment.floor.domain.claiming import stop
from services.fulfilment.floor.domain.events import PickReleased
from services.fulfilment.floor.domain.task import Pace, Task, TaskState
from services.fulfilment.floor.ports import FloorStore, Who
from services.fulfilment.stock.domain import (
    Instead,
    Line,
    Missing,
    Part,
    StockReserved,
    StockShort,
    Want,
    WantState,
    choose,
    missing,
    releasing,
    reserving,
)
from services.fulfilment.stock.ports import Books, StockStore
from services.kit.values import Cause, Heard, NewId


@dataclass(slots=True)
class Amending:
    """The changes of one batch, beside the books and tasks that it has open. `keep` takes a task that is another now."""

    changes: Changes
    books: Books
    tasks: dict[UUID, Task]
    floor: FloorStore
    keep: Callable[[Task], None]
    new_id: NewId
    pace: Pace

    def prepare(self, heard: Heard[AmendmentRequested]) -> None:
        """Set apart what the order would need as well, and stop work on it; all of it, or nothing. The same request always gets the same answer."""
        asked = heard.data
        known = self.changes.known.get((asked.order_id, asked.amendment_id))
        if known is None:
            self.let_go(asked.order_id, heard.cause)
            known = self._decide(asked, self.books.wants[asked.order_id], heard.cause)
            self.changes.keep(known)
        self.floor.say(known.answer, heard.cause)

    def carry_out(self, heard: Heard[OrderAmended]) -> bool:
        """The order is as was asked for. False where that was never prepared; an order that ended in between has ended."""
        said = heard.data
        known, want = self.changes.known.get((said.order_id, said.amendment_id)), self.books.wants[said.order_id]
        if want.state is WantState.RELEASED or (known and known.state is AmendmentState.COMMITTED):
            return True
        if known is None or known.state is not AmendmentState.PREPARED:
            return False
        task = self.tasks.get(said.order_id)
        arranged = rearrange(want, task, known.apart, _lines(said.lines))
        self.books.apply(arranged.movements, heard.cause)
        self.books.keep(arranged.want)
        self.changes.keep(replace(known, state=AmendmentState.COMMITTED, apart=()))
        if task:
            after = changed_task(task, arranged, self.pace, self.floor.now)
            self.keep(after)
            self.floor.forget_scans(task.task_id, outdated(task.lines, after.lines))
            self._take_out(task, after, arranged.pulled)
        self._tell(want, arranged.want, heard.cause)
        return True

    def let_go(self, order_id: UUID, cause: Cause, amendment_id: UUID | None = None) -> None:
        """What was set apart for the order's change is free again; for this very one where it is named. May run twice."""
        for known in list(self.changes.known.values()):
            of_order, id = known.key
            if known.state is AmendmentState.PREPARED and of_order == order_id and amendment_id in (None, id):
                want = self.books.wants[order_id]
                self.books.apply([releasing(want, part) for part in known.apart], cause)
                self.changes.keep(replace(known, state=AmendmentState.UNDONE, apart=()))

    def _decide(self, asked: AmendmentRequested, want: Want, cause: Cause) -> Amendment:
        reason = too_late(want, self.changes.shipments.get(asked.order_id))
        if reason:
            return self._refused(asked, want, reason, instead_of(reason), [])
        needs = needed(want, _lines(asked.lines))
        lack = [Missing(sku, units, self._free(want, sku)) for sku, units in sorted(needs.items()) if units > self._free(want, sku)]
        if lack:
            return self._refused(asked, want, Reason.NOT_IN_STOCK, not_there(lack), lack)
        apart = [Part(0, sku, *found) for sku, units in sorted(needs.items()) for found in choose(self.books.shelf((want.site, sku)), units)]
        self.books.apply([reserving(want, part) for part in apart], cause)
        if asked.order_id in self.tasks:
            self.keep(stop(self.tasks[asked.order_id]))
        answer = AmendmentPrepared(asked.order_id, asked.amendment_id, self.floor.now)
        return Amendment(AmendmentState.PREPARED, want.site, answer, self.floor.now, tuple(apart))

    def _refused(self, asked: AmendmentRequested, want: Want, reason: Reason, sentence: str, lack: Sequence[Missing]) -> Amendment:
        told = [(each.sku, self.changes.instead.get((want.site, each.sku), Instead()).told(each.wanted)) for each in lack]
        substitutes = [{"instead_of": sku, **each} for sku, found in told for each in found["substitutes"]]
        expected = [{"sku": sku, **each} for sku, found in told for each in found["expected"]]
        answer = AmendmentRefused(asked.order_id, asked.amendment_id, reason, sentence, substitutes, expected)
        return Amendment(AmendmentState.REFUSED, want.site, answer, self.floor.now)

    def _free(self, want: Want, sku: str) -> int:
        """The units that nobody has and no other older order waits for."""
        place = want.site, sku
        others = max(0, self.books.earmarked.get(place, 0) - earmarked_for(want)[sku])
        return max(0, self.books.shelf(place).available - others)

    def _take_out(self, before: Task, after: Task, pulled: Sequence[Part]) -> None:
        """Cartons to be opened, and units to be put away."""
        if before.parcel_id and after.parcel_id is None:
            self.changes.opened.append(before.parcel_id)
        self.changes.pulled += [
            PullBack(self.new_id(), before.order_id, before.task_id, before.site, part.sku, part.bin, part.quantity, self.floor.now)
            for part in pulled
        ]

    def _tell(self, before: Want, after: Want, cause: Cause) -> None:
        """Whether the order has its goods, where that is another than it was."""
        order_id, task = after.order_id, self.tasks.get(after.order_id)
        if before.state is WantState.SHORT and after.state is not WantState.SHORT:
            self.floor.say(StockReserved(order_id, after.site, after.ordered), cause)
            if task:
                self.floor.lacks_its_goods(order_id, over=True)
            if task and task.state is TaskState.READY:
                self.floor.say(PickReleased(order_id, task.task_id, task.site, task.hand_over_by, self.floor.now), cause)
        elif after.state is WantState.SHORT and before.state is not WantState.SHORT:
            self.floor.say(StockShort(order_id, after.site, tuple(missing(after, self.books.shelves, self.books.earmarked))), cause)


async def put_away(
    pull_backs: PullBacks, stock: StockStore, who: Who, pull_back_id: UUID, scan_id: UUID, code: str, bin: str, request: Cause
) -> PullBack:
    """The units lie in their bin again, and orders that wait for such are tried again; once. Raises NotFound, and what says that these are not the
    units, or not where they go."""
    found = await pull_backs.lock(pull_back_id, who)
    if found.done_at:
        return found
    refuse_wrong(found, await pull_backs.items(found.site, code), bin)
    books = await stock.open([], {(found.site, found.sku)})
    books.apply(putting_away(found, who.subject), request)
    done = replace(found, done_at=pull_backs.now, done_by=who.subject)
    pull_backs.put_away(done, scan_id)
    await stock.record(books)
    return done


def _lines(lines: Sequence[PlacedLine]) -> tuple[Line, ...]:
    return tuple(Line(line.line, line.sku, line.quantity) for line in lines)
