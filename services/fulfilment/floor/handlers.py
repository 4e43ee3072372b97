"""Commands of the floor, each in one transaction: claim, scan, come up short, pack. Locks: the task, then its shelves."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from services.fulfilment.floor.domain import claiming, packing, picking
from services.fulfilment.floor.domain.events import OrderPacked, PickClaimed, PickShort, Reason
from services.fulfilment.floor.domain.refusals import (
    AlreadyLabelled,
    ClaimReused,
    FinishFirst,
    NotLastScan,
    NotPacked,
    ParcelReused,
    ScanReused,
)
from services.fulfilment.floor.domain.task import Carton, PickLine, Spot, Task, TaskState, progress_of, stop_of
from services.fulfilment.floor.ports import Catalogue, FloorStore, Parcels, Recorded, Scan, ShortReport, Verdict, Who
from services.fulfilment.stock.domain import PROMISED_FROM, Kind, Movement, Part, Want, WantState, picking_movements, unpicking_movements
from services.fulfilment.stock.handlers import give_up
from services.fulfilment.stock.ports import Books, StockStore
from services.kit.values import Cause, NotFound, Refusal

PICKED = "picked"


async def claim_next(store: FloorStore, who: Who, site: str, claim_id: UUID, request: Cause) -> Task | None:
    """The task with the least slack, in this picker's hands; the one they already have; None when none waits.

    The same claim_id gets the same task. Raises ClaimReused, or StaleClaim when that claim was lost since.
    """
    await store.alone(who.subject)
    repeated = await _repeated(store, who, claim_id)
    if repeated:
        return repeated
    task = await store.held_by(who.subject) or await store.next_free(site)
    return await _take(store, task, who, claim_id, request) if task else None


async def claim(store: FloorStore, who: Who, task_id: UUID, claim_id: UUID, request: Cause) -> Task:
    """This very task. Raises TaskTaken, NotOpen, FinishFirst, and what `claim_next` raises."""
    await store.alone(who.subject)
    repeated = await _repeated(store, who, claim_id)
    if repeated:
        if repeated.task_id != task_id:
            raise ClaimReused("This claim_id was used for another task: make a new one.")
        return repeated
    task = await store.lock(task_id, who)
    held = await store.holding(who.subject)
    if held not in (None, task_id):
        raise FinishFirst("You have another task: finish it, or put it back.", task_id=held)
    return await _take(store, task, who, claim_id, request)


async def heartbeat(store: FloorStore, who: Who, task_id: UUID, fence: int) -> Task:
    """The lease again in its whole length. Raises StaleClaim."""
    task = await store.lock(task_id, who)
    claiming.refuse_stale(task, who.subject, fence)
    await store.save([task])
    return task


async def put_back(store: FloorStore, who: Who, task_id: UUID, fence: int) -> Task:
    """The task free for the next picker. Raises StaleClaim."""
    task = claiming.put_back(await store.lock(task_id, who), who.subject, fence)
    await store.save([task])
    return task


async def take_back(store: FloorStore, who: Who, task_id: UUID, fence: int) -> Task:
    """The task out of a picker's hands (gone home, device broken), before its lease runs out. Raises StaleClaim."""
    task = claiming.take_back(await store.lock(task_id, who), fence)
    await store.save([task])
    return task


async def scan(store: FloorStore, stock: StockStore, who: Who, task_id: UUID, scans: Sequence[Scan], request: Cause) -> list[Verdict]:
    """A verdict per scan, in order; a scan that is known gets its first verdict again. The last line picked takes the units from the shelf."""
    task = await store.lock(task_id, who)
    known = await store.recorded([scan.scan_id for scan in scans])
    catalogue = await store.catalogue(task, {scan.code for scan in scans})
    given: dict[UUID, Verdict] = {}
    verdicts = []
    before = task
    for each in scans:
        if each.scan_id in known:
            verdict = _again(each, known[each.scan_id], task_id)
        elif each.scan_id in given:
            verdict = given[each.scan_id]
        else:
            task, verdict = _judge(task, each, catalogue, who, store)
            given[each.scan_id] = verdict
        verdicts.append(verdict)
    await store.record_scans(task, who.subject, [verdict for verdict in given.values() if verdict.counts])
    await _take_from_shelf(stock, before, task, who, request)
    if task != before:
        await store.save([task])
    return verdicts


async def undo_scan(store: FloorStore, stock: StockStore, who: Who, task_id: UUID, scan_id: UUID, fence: int, request: Cause) -> Task:
    """The task before that scan, which must be its last; may run twice. Raises NotFound, StaleClaim, NotLastScan or NotOpen."""
    before = await store.lock(task_id, who)
    recorded = (await store.recorded([scan_id])).get(scan_id)
    if recorded is None or recorded.task_id != task_id or recorded.position is None:
        raise NotFound
    claiming.refuse_stale(before, who.subject, fence)
    if recorded.undone:
        return before
    last = await store.last_picked(task_id)
    if last is None or last.scan_id != scan_id:
        raise NotLastScan("Only the last scan can be undone: undo the later ones first.", last=last.scan_id if last else None)
    task = picking.undo(before, recorded.position, recorded.quantity)
    await store.mark_undone(scan_id)
    await _put_on_shelf(stock, before, task, who, request)
    await store.save([task])
    return task


async def come_up_short(
    store: FloorStore, stock: StockStore, who: Who, task_id: UUID, fence: int, report_id: UUID, line: int, found: int, reason: Reason, request: Cause
) -> Task:
    """The bin is set aside for a count and the units are taken from another; with none the order is put aside and the picker is free.

    The same report_id changes nothing twice. Raises StaleClaim, NotShort or NotOpen.
    """
    task = await store.lock(task_id, who)
    if await store.reported(report_id, task_id):
        return task
    claiming.refuse_stale(task, who.subject, fence)
    stop, gone = picking.come_up_short(task, line, found)
    books = await stock.open([task.order_id])
    want = books.wants[task.order_id]
    part = next(part for part in want.parts if (part.line, part.bin) == (stop.line, stop.bin))
    set_aside = Movement(Kind.QUARANTINE, task.site, stop.sku, stop.bin, order_id=task.order_id, reference=task_id, by=who.subject)
    parts = give_up(books, want, part, gone, set_aside, task.cause(request))
    short = books.wants[task.order_id].state is WantState.SHORT
    after = picking.shorten(task, stop, gone, spots(parts), short, store.now)
    await store.record_short(task, who.subject, ShortReport(report_id, line, stop.sku, stop.bin, found, gone, reason))
    if short:
        store.say(PickShort(task.order_id, task_id, line, stop.sku, gone, reason), task.cause(request))
        store.lacks_its_goods(task.order_id)
    if after.state is TaskState.PICKED:
        _pick_all(books, after, who, request)
    await stock.record(books)
    await store.save([after])
    if line >= PROMISED_FROM and not parts:
        await store.come_without(task.order_id, line)
    return after


async def pack(
    store: FloorStore, parcels: Parcels, who: Who, task_id: UUID, fence: int, carton: Carton, weight_grams: int, parcel_id: UUID, confirmed: bool,
    request: Cause,
) -> Task:  # fmt: skip
    """The order in its carton, a parcel to be labelled. The same parcel_id packs once. Raises StaleClaim, NotPicked, WeightOff or ParcelReused."""
    task = await store.lock(task_id, who)
    if task.parcel_id == parcel_id:
        return task
    claiming.refuse_stale(task, who.subject, fence)
    if await store.parcel_known(parcel_id):
        raise ParcelReused("This parcel_id was used for another order: make a new one.")
    expected = _weight(task, await store.catalogue(task, ()))
    task = packing.pack(task, carton, weight_grams, parcel_id, who.subject, expected, confirmed, store.now)
    await store.save([task])
    await parcels.add(task)
    store.picked_as_promised(task)
    store.say(OrderPacked(task.order_id, parcel_id, carton, weight_grams, store.now), task.cause(request))
    return task


async def unpack(store: FloorStore, parcels: Parcels, who: Who, task_id: UUID, parcel_id: UUID) -> Task:
    """The order out of its carton, in this person's hands. Raises NotPacked, AlreadyLabelled or FinishFirst."""
    await store.alone(who.subject)
    task = await store.lock(task_id, who)
    if task.state is not TaskState.PACKED or task.parcel_id != parcel_id:
        raise NotPacked("This parcel is not packed: there is nothing to undo.", state=task.state)
    await store.refuse_changing(task.order_id)
    held = await store.holding(who.subject)
    if held:
        raise FinishFirst("You have another task: finish it, or put it back.", task_id=held)
    if not await parcels.drop(parcel_id):
        raise AlreadyLabelled("The parcel has its label: void the label first.", parcel_id=parcel_id)
    task = packing.unpack(task, who.subject, store.now)
    await store.save([task])
    return task


def spots(parts: Sequence[Part]) -> list[Spot]:
    """What stock set apart, as stops of a walk."""
    return [Spot(*part) for part in parts]


async def _repeated(store: FloorStore, who: Who, claim_id: UUID) -> Task | None:
    made = await store.claimed(claim_id)
    if made is None:
        return None
    task_id, picker, fence = made
    if picker != who.subject:
        raise ClaimReused("This claim_id is another picker's: make a new one.")
    task = await store.lock(task_id, who)
    claiming.refuse_stale(task, who.subject, fence)
    return task


async def _take(store: FloorStore, task: Task, who: Who, claim_id: UUID, request: Cause) -> Task:
    if task.hold is None or task.hold.by != who.subject:
        await store.refuse_held(task.order_id)
    taken = claiming.claim(task, who.subject, store.now)
    await store.save([taken])
    store.sees_what_is_promised(taken)
    await store.record_claim(claim_id, taken)
    if task.first_claimed_at is None:
        store.say(PickClaimed(task.order_id, task.task_id, who.subject, store.now), task.cause(request))
    return taken


def _judge(task: Task, scan: Scan, catalogue: Catalogue, who: Who, store: FloorStore) -> tuple[Task, Verdict]:
    try:
        claiming.refuse_stale(task, who.subject, scan.fence)
        after, line = picking.pick(task, scan.code, catalogue.by_code.get(scan.code, ()), scan.quantity, scan.bin, store.now)
    except Refusal as refusal:
        return task, Verdict(scan, refusal.status, refusal.slug, {"detail": refusal.sentence, **refusal.facts})
    return after, Verdict(scan, 200, PICKED, _counted(after, line, catalogue), line.position)


def _again(scan: Scan, recorded: Recorded, task_id: UUID) -> Verdict:
    if (recorded.task_id, recorded.code, recorded.quantity, recorded.bin) != (task_id, scan.code, scan.quantity, scan.bin):
        refusal = ScanReused("This scan_id was used for another scan: make a new one per scan.")
        return Verdict(scan, refusal.status, refusal.slug, {"detail": refusal.sentence})
    return Verdict(scan, recorded.status, recorded.verdict, recorded.answer, recorded.position)


def _counted(task: Task, line: PickLine, catalogue: Catalogue) -> dict[str, object]:
    """What the device shows after a scan that counts: the line, what comes next, how far the task is."""
    following = task.next_line
    return {
        "scanned": stop_of(line, catalogue.description(line.sku)),
        "next": stop_of(following, catalogue.description(following.sku)) if following else None,
        "state": task.state,
        "progress": progress_of(task),
    }


async def _take_from_shelf(stock: StockStore, before: Task, after: Task, who: Who, request: Cause) -> None:
    if after.state is TaskState.PICKED and before.state is TaskState.CLAIMED:
        books = await stock.open([after.order_id])
        _pick_all(books, after, who, request)
        await stock.record(books)


def _pick_all(books: Books, task: Task, who: Who, request: Cause) -> None:
    want = books.wants[task.order_id]
    books.apply(picking_movements(want, task.task_id, who.subject), task.cause(request))
    books.keep(replace(want, state=WantState.PICKED))


async def _put_on_shelf(stock: StockStore, before: Task, after: Task, who: Who, request: Cause) -> None:
    if before.state is TaskState.PICKED:
        books = await stock.open([after.order_id])
        want: Want = books.wants[after.order_id]
        books.apply(unpicking_movements(want, after.task_id, who.subject), after.cause(request))
        books.keep(replace(want, state=WantState.RESERVED))
        await stock.record(books)


def _weight(task: Task, catalogue: Catalogue) -> int | None:
    weights = [(catalogue.by_sku.get(line.sku), line.quantity) for line in task.lines]
    if any(item is None for item, _ in weights):
        return None
    return sum(item.weight_grams * quantity for item, quantity in weights if item)
