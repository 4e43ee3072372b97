"""Whatever happens to orders, in whatever order: the log agrees with the shelves, nothing is reserved twice, and every exit lets go."""

from collections import Counter
from collections.abc import Coroutine
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.fulfilment.amending.domain import AmendmentState
from services.fulfilment.amending.handlers import put_away
from services.fulfilment.floor import handlers as floor
from services.fulfilment.floor.domain.events import Reason
from services.fulfilment.floor.domain.task import Carton, Item, Pace, Task, TaskState
from services.fulfilment.floor.ports import Scan, Who
from services.fulfilment.handlers import on_events, try_wants
from services.fulfilment.stock.domain import WantState
from services.fulfilment.stock.handlers import count, receive
from services.kit.values import Refusal
from tests.support.ids import numbered_ids
from tests.unit.fulfilment.build import SITE, amended, asked_to_amend, cancel, cancelled, cause, item, placed, released, undone, uuid
from tests.unit.fulfilment.fakes import Asides, FakeAmends, FakeFloor, FakeParcels, FakeStock

SKUS, BINS, PICKERS = ("CUP", "MUG", "PAN"), ("A-1", "B-1", "C-1"), ("ann", "bob")
orders, skus, bins, units = st.integers(1, 6), st.sampled_from(SKUS), st.sampled_from(BINS), st.integers(1, 6)
pickers = st.sampled_from(PICKERS)


class Warehouse(RuleBasedStateMachine):
    """Three items, three bins, six orders, two pickers."""

    def __init__(self) -> None:
        super().__init__()
        self.stock, self.floor, self.parcels = FakeStock(), FakeFloor(), FakeParcels()
        self.amends = FakeAmends(self.floor, self.parcels)
        self.floor.descriptions = {sku: Item(sku, sku, 100) for sku in SKUS}
        self.new_id, self.version = numbered_ids(), 1
        self.asked: dict[tuple[int, int], list[tuple[str, int]]] = {}
        self.hear(*(item(sku) for sku in SKUS))
        shelves = [(sku, bin, units) for sku in SKUS for bin, units in (("A-1", 4), ("B-1", 3))]
        run(receive(self.stock, self.new_id(), SITE, shelves, "pat", cause()))

    def hear(self, *batch: Any) -> None:
        run(on_events(batch, self.stock, self.floor, self.amends, Asides(), self.new_id, Pace()))

    def do(self, command: Coroutine[Any, Any, Any]) -> Any:
        """The command's result; None when it is refused, which must have changed nothing."""
        before = dict(self.stock.wants), dict(self.stock.shelves), dict(self.floor.tasks)
        try:
            return run(command)
        except Refusal:
            assert before == (self.stock.wants, self.stock.shelves, self.floor.tasks)
            return None

    def next_version(self) -> int:
        self.version += 1
        return self.version

    def in_hand(self, picker: str) -> Task | None:
        held: Task | None = run(self.floor.held_by(picker))
        return held

    @rule(number=orders, wanted=st.lists(st.tuples(skus, units), min_size=1, max_size=3))
    def place(self, number: int, wanted: list[tuple[str, int]]) -> None:
        self.hear(placed(number, *wanted, after=number))

    @rule(number=orders, wanted=st.lists(st.tuples(skus, units), min_size=1, max_size=2), picker=pickers)
    def begin(self, number: int, wanted: list[tuple[str, int]], picker: str) -> None:
        """The usual way: placed, released, claimed."""
        self.place(number, wanted)
        self.release(number)
        self.claim(picker)

    @rule(number=orders)
    def release(self, number: int) -> None:
        self.hear(released(number, version=self.next_version()))

    @rule(number=orders, request=st.integers(1, 2))
    def ask_to_cancel(self, number: int, request: int) -> None:
        self.hear(cancel(number, number * 10 + request, version=self.next_version()))

    @rule(number=orders)
    def cancel_elsewhere(self, number: int) -> None:
        self.hear(cancelled(number, version=self.next_version()))

    @rule(number=orders, wanted=st.lists(st.tuples(skus, units), min_size=1, max_size=3), change=st.integers(1, 3))
    def ask_to_change(self, number: int, wanted: list[tuple[str, int]], change: int) -> None:
        self.asked[number, change] = wanted = self.asked.get((number, change), wanted)
        before, pending = (dict(self.stock.shelves), dict(self.floor.tasks)), self.pending()
        self.hear(asked_to_amend(number, *wanted, change=number * 10 + change, version=self.next_version()))
        if self.pending() == pending:
            assert before == (self.stock.shelves, self.floor.tasks), "a change that is refused, or told again, takes nothing"

    @rule(
        number=orders, wanted=st.lists(st.tuples(skus, units), min_size=1, max_size=2), picker=pickers, sku=skus,
        changed=st.lists(st.tuples(skus, units), min_size=1, max_size=2), how_far=st.integers(0, 4), change=st.integers(1, 3),
        end=st.sampled_from(("agreed", "agreed", "undone", "cancelled", "open")),
    )  # fmt: skip
    def change_what_somebody_is_on(
        self, number: int, wanted: list[tuple[str, int]], picker: str, sku: str, changed: list[tuple[str, int]], how_far: int, change: int, end: str
    ) -> None:
        """An order is begun, picked in part or whole, or packed, and then to be changed; the change is settled, or the order ends."""
        self.begin(number, wanted, picker)
        steps = (
            lambda: self.scan(picker, sku, 1),
            lambda: self.scan(picker, wanted[0][0], 1),
            lambda: self.scan_all(picker),
            lambda: self.pack(picker),
        )
        for step in steps[:how_far]:
            step()
        self.ask_to_change(number, changed, change)
        if end == "cancelled":
            self.ask_to_cancel(number, 3)
        elif end != "open" and self.pending():
            self.settle_a_change(end == "agreed", len(self.pending()) - 1)

    @precondition(lambda self: self.pending())
    @rule(agreed=st.booleans(), which=st.integers(0, 5))
    def settle_a_change(self, agreed: bool, which: int) -> None:
        order_id, amendment_id = self.pending()[which % len(self.pending())]
        number, change = next(key for key in self.asked if (uuid(key[0]), uuid(400_000 + key[0] * 10 + key[1])) == (order_id, amendment_id))
        told = {"change": number * 10 + change, "version": self.next_version()}
        self.hear(amended(number, *self.asked[number, change], **told) if agreed else undone(number, **told))

    def pending(self) -> list[tuple[Any, Any]]:
        return [each.key for each in self.amends.known.values() if each.state is AmendmentState.PREPARED]

    @precondition(lambda self: any(not each.done_at for each in self.amends.pull_backs.values()))
    @rule()
    def put_one_away(self) -> None:
        found = next(each for each in self.amends.pull_backs.values() if not each.done_at)
        self.do(put_away(self.amends, self.stock, Who("ann"), found.pull_back_id, self.new_id(), found.sku, found.bin, cause()))

    @rule(sku=skus, bin=bins, quantity=units)
    def take_in(self, sku: str, bin: str, quantity: int) -> None:
        self.do(receive(self.stock, self.new_id(), SITE, [(sku, bin, quantity)], "pat", cause()))

    @rule(sku=skus, bin=bins, counted=st.integers(0, 6))
    def count_bin(self, sku: str, bin: str, counted: int) -> None:
        self.do(count(self.stock, self.new_id(), SITE, sku, bin, counted, "pat", cause()))

    @rule()
    def try_again(self) -> None:
        run(try_wants(self.stock.ripe(), self.stock, self.floor, Pace()))

    @rule(number=orders)
    def hold_or_lift(self, number: int) -> None:
        self.floor.stopped ^= {uuid(number)}

    @rule(picker=pickers)
    def claim(self, picker: str) -> None:
        had = self.in_hand(picker)
        got: Task | None = self.do(floor.claim_next(self.floor, Who(picker), SITE, self.new_id(), cause()))
        assert had or got is None or got.order_id not in self.floor.stopped

    @rule(picker=pickers, number=orders)
    def claim_this(self, picker: str, number: int) -> None:
        task, had = run(self.floor.of_orders([uuid(number)])).get(uuid(number)), self.in_hand(picker)
        got = self.do(floor.claim(self.floor, Who(picker), task.task_id, self.new_id(), cause())) if task else None
        assert had or got is None or got.order_id not in self.floor.stopped

    @rule(picker=pickers, sku=skus, quantity=units)
    def scan(self, picker: str, sku: str, quantity: int) -> None:
        task = self.in_hand(picker)
        if task:
            scans = [Scan(self.new_id(), task.fence, sku, quantity, None, None, None)]
            self.do(floor.scan(self.floor, self.stock, Who(picker), task.task_id, scans, cause()))

    @rule(picker=pickers)
    def scan_all(self, picker: str) -> None:
        task = self.in_hand(picker)
        if task:
            scans = [Scan(self.new_id(), task.fence, line.sku, line.left, line.bin, None, None) for line in task.lines if line.left]
            self.do(floor.scan(self.floor, self.stock, Who(picker), task.task_id, scans, cause()))

    @rule(picker=pickers)
    def undo(self, picker: str) -> None:
        task = self.in_hand(picker)
        last = run(self.floor.last_picked(task.task_id)) if task else None
        if task and last:
            self.do(floor.undo_scan(self.floor, self.stock, Who(picker), task.task_id, last.scan_id, task.fence, cause()))

    @rule(picker=pickers, found=st.integers(0, 3))
    def come_up_short(self, picker: str, found: int) -> None:
        task = self.in_hand(picker)
        if task and task.next_line:
            told = task.fence, self.new_id(), task.next_line.line, found, Reason.NOT_FOUND
            self.do(floor.come_up_short(self.floor, self.stock, Who(picker), task.task_id, *told, cause()))

    @rule(picker=pickers)
    def put_back(self, picker: str) -> None:
        task = self.in_hand(picker)
        if task:
            self.do(floor.put_back(self.floor, Who(picker), task.task_id, task.fence))

    @rule(picker=pickers)
    def pack(self, picker: str) -> None:
        task = self.in_hand(picker)
        if task:
            told = task.fence, Carton.S1, 100, self.new_id(), True
            self.do(floor.pack(self.floor, self.parcels, Who(picker), task.task_id, *told, cause()))

    @precondition(lambda self: self.parcels.parcels)
    @rule(picker=pickers)
    def unpack(self, picker: str) -> None:
        parcel_id = min(self.parcels.parcels)
        task = next(task for task in self.floor.tasks.values() if task.parcel_id == parcel_id)
        self.do(floor.unpack(self.floor, self.parcels, Who(picker), task.task_id, parcel_id))

    @invariant()
    def the_log_agrees_with_the_shelves(self) -> None:
        on_hand, reserved = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for moved in self.stock.movements:
            on_hand[moved.sku, moved.bin] += moved.on_hand
            reserved[moved.sku, moved.bin] += moved.reserved
        for shelf in self.stock.shelves.values():
            for bin in shelf.bins:
                assert (on_hand[shelf.sku, bin.bin], reserved[shelf.sku, bin.bin]) == (bin.on_hand, bin.reserved)
                assert bin.on_hand >= bin.reserved >= 0

    @invariant()
    def what_is_reserved_is_what_orders_have(self) -> None:
        parts = Counter[tuple[str, str]]()
        for want in self.stock.wants.values():
            if want.state in (WantState.SHORT, WantState.RESERVED):
                parts.update({(part.sku, part.bin): 0 for part in want.parts})
                for part in want.parts:
                    parts[part.sku, part.bin] += part.quantity
        for amendment in self.amends.known.values():
            assert amendment.state is AmendmentState.PREPARED or amendment.apart == ()
            for part in amendment.apart:
                parts[part.sku, part.bin] += part.quantity
        reserved = {(shelf.sku, bin.bin): bin.reserved for shelf in self.stock.shelves.values() for bin in shelf.bins if bin.reserved}
        assert {place: units for place, units in parts.items() if units} == reserved

    @invariant()
    def orders_have_all_or_are_short_and_ended_ones_have_nothing(self) -> None:
        for want in self.stock.wants.values():
            had, asked = sum(part.quantity for part in want.parts), sum(line.quantity for line in want.lines)
            assert had == asked if want.state in (WantState.RESERVED, WantState.PICKED) else had < asked
            assert want.state is not WantState.RELEASED or had == 0

    @invariant()
    def tasks_and_wants_agree(self) -> None:
        agree = {
            TaskState.READY: WantState.RESERVED, TaskState.CLAIMED: WantState.RESERVED, TaskState.PICKED: WantState.PICKED,
            TaskState.PACKED: WantState.PICKED, TaskState.SHORT: WantState.SHORT, TaskState.CANCELLED: WantState.RELEASED,
        }  # fmt: skip
        for task in self.floor.tasks.values():
            want = self.stock.wants[task.order_id]
            assert want.state is agree[task.state]
            if task.state in (TaskState.READY, TaskState.CLAIMED):
                listed, had = Counter[tuple[int, str]](), Counter[tuple[int, str]]()
                for line in task.lines:
                    listed[line.line, line.bin] += line.quantity
                for part in want.parts:
                    had[part.line, part.bin] += part.quantity
                assert listed == had

    @invariant()
    def what_left_the_shelves_is_in_a_tote_in_a_carton_or_on_the_way_back(self) -> None:
        moved, gone = Counter[str](), Counter[str]()
        for movement in self.stock.movements:
            if movement.order_id:
                moved[movement.sku] -= movement.on_hand
        for want in self.stock.wants.values():
            for part in want.parts if want.state is WantState.PICKED else ():
                gone[part.sku] += part.quantity
        for pull_back in self.amends.pull_backs.values():
            gone[pull_back.sku] += 0 if pull_back.done_at else pull_back.quantity
        assert +moved == gone

    @invariant()
    def nobody_works_on_an_order_that_is_about_to_be_changed(self) -> None:
        changing = {order_id for order_id, _ in self.pending()}
        assert [task.order_id for task in self.floor.tasks.values() if task.order_id in changing and (task.hold or not task.changing)] == []

    @invariant()
    def what_is_picked_is_no_more_than_what_is_wanted(self) -> None:
        assert [line for task in self.floor.tasks.values() for line in task.lines if not 0 <= line.picked <= line.quantity] == []

    @invariant()
    def nobody_has_two_tasks(self) -> None:
        holders = [task.hold.by for task in self.floor.tasks.values() if task.hold]
        assert len(holders) == len(set(holders))


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The coroutine's result; the fakes never wait."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("a fake waited")


TestWarehouse = Warehouse.TestCase
TestWarehouse.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
