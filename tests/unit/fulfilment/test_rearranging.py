"""What an agreed change makes of units, picks and books, for any lines before and after and however far the order is."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from services.fulfilment.amending.domain import Arranged, PullBack, changed_task, needed, outdated, putting_away, rearrange
from services.fulfilment.floor.domain.task import Carton, Hold, Pace, PickLine, Task, TaskState
from services.fulfilment.stock.domain import PROMISED_FROM, Kind, Line, Movement, Part, Shelf, Want, WantState, choose, move
from tests.unit.fulfilment.build import HAND_OVER, NOW, SITE, cause, uuid

SKUS, BINS = ("CUP", "MUG", "PAN"), ("A-1", "B-1", "C-1")
PLENTY = 30
wanted = st.lists(st.tuples(st.sampled_from(SKUS), st.integers(1, 6)), min_size=1, max_size=4)
numbers = st.permutations(range(1, 5))


def lines(of: list[tuple[str, int]], numbered: list[int]) -> tuple[Line, ...]:
    return tuple(Line(number, sku, quantity) for number, (sku, quantity) in zip(numbered, of, strict=False))


def book(shelves: dict[str, Shelf], movements: list[Movement]) -> dict[str, Shelf]:
    """The shelves after the movements: each is refused that leaves more reserved than there is."""
    for movement in movements:
        shelves = shelves | {movement.sku: move(shelves[movement.sku], movement)}
    return shelves


def full() -> dict[str, Shelf]:
    received = [Movement(Kind.RECEIPT, SITE, sku, bin, PLENTY) for sku in SKUS for bin in BINS]
    return book({sku: Shelf(SITE, sku) for sku in SKUS}, received)


def reserved(part: Part, units: int) -> Movement:
    return Movement(Kind.RESERVE, SITE, part.sku, part.bin, reserved=units)


@st.composite
def orders(draw: st.DrawFn) -> tuple[Want, Task | None, dict[str, Shelf]]:
    """An order with its units set apart or a part of them, a gift beside it perhaps, and its task so far; and the shelves that this left."""
    own = lines(draw(wanted), [1, 2, 3, 4])
    gift = (Line(PROMISED_FROM, "PAN", 1),) if draw(st.booleans()) else ()
    parts = []
    for line in (*own, *gift):
        first = draw(st.integers(0, line.quantity)) if line.line < PROMISED_FROM else line.quantity
        bins = draw(st.permutations(BINS))
        parts += [Part(line.line, line.sku, bin, units) for bin, units in zip(bins, (first, line.quantity - first), strict=False) if units]
    state = draw(st.sampled_from((WantState.RESERVED, WantState.RESERVED, WantState.PICKED, WantState.SHORT)))
    if state is WantState.SHORT and len(own) > 1:
        parts = [part for part in parts if part.line != 1]
    elif state is WantState.SHORT:
        state = WantState.RESERVED
    want = Want(uuid(1), SITE, NOW, (*own, *gift), state, cause(), tuple(parts))
    shelves = book(full(), [reserved(part, part.quantity) for part in parts])
    if state is WantState.PICKED:
        shelves = book(shelves, [Movement(Kind.PICK, SITE, part.sku, part.bin, -part.quantity, -part.quantity) for part in parts])
    task = draw(tasks(want)) if state is not WantState.RESERVED or draw(st.booleans()) else None
    return want, task, shelves


@st.composite
def tasks(draw: st.DrawFn, want: Want) -> Task:
    stops = [
        PickLine(position, *part, picked=part.quantity if want.state is WantState.PICKED else draw(st.integers(0, part.quantity)))
        for position, part in enumerate(want.parts, 1)
    ]
    states = {WantState.SHORT: (TaskState.SHORT,), WantState.PICKED: (TaskState.PICKED, TaskState.PACKED), WantState.RESERVED: (TaskState.READY,)}
    if want.state is WantState.RESERVED and not any(stop.left for stop in stops):
        stops[0] = stops[0]._replace(picked=0)
    state = draw(st.sampled_from(states[want.state]))
    packed = state is TaskState.PACKED
    return Task(
        uuid(2), want.order_id, SITE, state, NOW, NOW, HAND_OVER, 200, tuple(stops), uuid(3), "", 4, None if packed else Hold("ann", NOW, live=True),
        parcel_id=uuid(9) if packed else None, carton=Carton.S1 if packed else None, weight_grams=9 if packed else None,
    )  # fmt: skip


def laid_by(want: Want, shelves: dict[str, Shelf], new: tuple[Line, ...]) -> list[Part]:
    return [Part(0, sku, *found) for sku, units in needed(want, new).items() for found in choose(shelves[sku], units)]


@settings(max_examples=600, deadline=None)
@given(orders(), wanted, numbers)
def test_every_unit_of_a_changed_order_is_accounted_for(
    order: tuple[Want, Task | None, dict[str, Shelf]], new: list[tuple[str, int]], numbered: list[int]
) -> None:
    want, task, shelves = order
    after_lines = lines(new, numbered)
    apart = laid_by(want, shelves, after_lines)
    held = book(shelves, [reserved(part, part.quantity) for part in apart])
    made = rearrange(want, task, apart, after_lines)
    after = book(held, made.movements)
    agrees_with_the_want(made, after_lines, want)
    agrees_with_the_shelves(made, after)
    if task:
        agrees_with_the_task(made, task, want)
    back = [
        moved
        for part in made.pulled
        for moved in putting_away(PullBack(uuid(7), uuid(1), uuid(2), SITE, part.sku, part.bin, part.quantity, NOW), "ann")
    ]
    off = Counter[str]()
    for part in made.want.parts if made.want.state is WantState.PICKED else ():
        off[part.sku] += part.quantity
    for sku, shelf in book(after, back).items():
        assert sum(bin.on_hand for bin in shelf.bins) == PLENTY * len(BINS) - off[sku], "once all is put away, only what is picked is missing"


def agrees_with_the_want(made: Arranged, asked: tuple[Line, ...], before: Want) -> None:
    """Each line has its units, what was promised stays as it was."""
    assert made.want.ordered == asked
    assert made.want.state in (WantState.RESERVED, WantState.PICKED)
    for line in made.want.lines:
        assert sum(part.quantity for part in made.want.parts if part.line == line.line) == line.quantity
        assert {part.sku for part in made.want.parts if part.line == line.line} == {line.sku}
    assert len({(part.line, part.bin) for part in made.want.parts}) == len(made.want.parts)
    beside = [part for part in before.parts if part.line >= PROMISED_FROM]
    assert [part for part in made.want.parts if part.line >= PROMISED_FROM] == beside


def agrees_with_the_shelves(made: Arranged, shelves: dict[str, Shelf]) -> None:
    """What is set apart on the shelves is what the order has there, and nothing of what is on a cart."""
    apart = Counter[tuple[str, str]]()
    for part in made.want.parts if made.want.state is WantState.RESERVED else ():
        apart[part.sku, part.bin] += part.quantity
    assert apart == Counter({(sku, bin.bin): bin.reserved for sku, shelf in shelves.items() for bin in shelf.bins if bin.reserved})


def agrees_with_the_task(made: Arranged, task: Task, before: Want) -> None:
    """The walk is what the order has; what is picked and what is pulled back is what lay in the tote."""
    after = changed_task(task, made, Pace(), NOW)
    stops, parts = Counter[tuple[int, str, str]](), Counter[tuple[int, str, str]]()
    for stop in after.lines:
        stops[stop.line, stop.sku, stop.bin] += stop.quantity
        assert 0 <= stop.picked <= stop.quantity
    for part in made.want.parts:
        parts[part[:3]] += part.quantity
    assert stops == parts
    assert len({stop.position for stop in after.lines}) == len(after.lines)
    tote, still = Counter[str](), Counter[str]()
    for stop in task.lines:
        tote[stop.sku] += stop.picked
    for stop in after.lines:
        still[stop.sku] += stop.picked
    pulled = Counter[str]()
    for part in made.pulled:
        pulled[part.sku] += part.quantity
    assert still + pulled == tote
    assert after.hold is None
    done = not any(stop.left for stop in after.lines)
    assert (after.state in (TaskState.PICKED, TaskState.PACKED)) == done
    assert (after.state is TaskState.PACKED) == (task.state is TaskState.PACKED and done and not made.pulled)
    assert (after.parcel_id is not None) == (after.state is TaskState.PACKED)
    for position in {stop.position for stop in task.lines} - set(outdated(task.lines, after.lines)):
        was = next(stop for stop in task.lines if stop.position == position)
        same = next((stop for stop in after.lines if stop.position == position), None)
        assert was.picked == 0 or (same is not None and same[1:4] == was[1:4] and same.picked >= was.picked), "its scans still stand for its units"


def test_what_two_lines_can_both_use_is_left_where_it_is() -> None:
    """Both lines stay: neither gets the other's units, though one lies in the tote."""
    own = (Line(1, "CUP", 2), Line(2, "CUP", 2))
    want = Want(uuid(1), SITE, NOW, own, WantState.RESERVED, cause(), (Part(1, "CUP", "B-1", 2), Part(2, "CUP", "A-1", 2)))
    task = Task(
        uuid(2), uuid(1), SITE, TaskState.READY, NOW, NOW, HAND_OVER, 200,
        (PickLine(1, 2, "CUP", "A-1", 2, 2), PickLine(2, 1, "CUP", "B-1", 2)), uuid(3), "",
    )  # fmt: skip
    made = rearrange(want, task, [], own)
    assert (made.movements, made.pulled, sorted(made.want.parts)) == ([], [], sorted(want.parts))
    assert changed_task(task, made, Pace(), NOW).lines == task.lines


def test_what_lies_in_the_tote_is_used_before_anything_else_is_picked() -> None:
    own = (Line(1, "CUP", 2), Line(2, "CUP", 2))
    want = Want(uuid(1), SITE, NOW, own, WantState.RESERVED, cause(), (Part(1, "CUP", "B-1", 2), Part(2, "CUP", "A-1", 2)))
    stops = (PickLine(1, 2, "CUP", "A-1", 2, 2), PickLine(2, 1, "CUP", "B-1", 2))
    task = Task(uuid(2), uuid(1), SITE, TaskState.READY, NOW, NOW, HAND_OVER, 200, stops, uuid(3), "")
    made = rearrange(want, task, [], (Line(1, "CUP", 2),))
    assert (made.want.state, made.want.parts, made.pulled) == (WantState.PICKED, (Part(1, "CUP", "A-1", 2),), [])
    assert [(moved.kind, moved.bin, moved.on_hand, moved.reserved) for moved in made.movements] == [
        (Kind.RELEASE, "B-1", 0, -2),
        (Kind.PICK, "A-1", -2, -2),
    ]
    assert changed_task(task, made, Pace(), NOW).state is TaskState.PICKED


def test_where_the_units_do_not_suffice_the_order_is_short() -> None:
    want = Want(uuid(1), SITE, NOW, (Line(1, "CUP", 1),), WantState.RESERVED, cause(), (Part(1, "CUP", "A-1", 1),))
    made = rearrange(want, None, [], (Line(1, "CUP", 3),))
    assert (made.want.state, made.want.parts, made.movements) == (WantState.SHORT, want.parts, [])
    task = replace(orderly(), lines=(PickLine(1, 1, "CUP", "A-1", 1),))
    assert changed_task(task, made, Pace(), NOW).state is TaskState.SHORT


def orderly() -> Task:
    return Task(uuid(2), uuid(1), SITE, TaskState.READY, NOW, NOW, HAND_OVER, 200, (), uuid(3), "")
