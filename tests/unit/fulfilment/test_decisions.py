"""Which bins, which place in the queue, what a weight may be: the decisions by themselves, with expectations written by hand."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from services.fulfilment.floor.domain.claiming import claim, refuse_stale
from services.fulfilment.floor.domain.packing import pack
from services.fulfilment.floor.domain.picking import come_up_short, pick
from services.fulfilment.floor.domain.refusals import NotShort, StaleClaim, TaskTaken, WeightOff
from services.fulfilment.floor.domain.task import Carton, Hold, Item, PickLine, Task, TaskState, walk
from services.fulfilment.floor.handlers import spots
from services.fulfilment.stock.domain import Bin, Kind, Line, Missing, Movement, Part, Shelf, Want, WantState, choose, missing, move, set_apart
from services.kit.values import Refusal
from tests.unit.fulfilment.build import HAND_OVER, NOW, SITE, TRACE, cause, uuid

PLACE = (SITE, "CUP")


def shelf(*bins: tuple[str, int, int]) -> Shelf:
    return Shelf(SITE, "CUP", 1, tuple(Bin(name, on_hand, reserved) for name, on_hand, reserved in bins))


def want(*quantities: int) -> Want:
    lines = tuple(Line(number, "CUP", quantity) for number, quantity in enumerate(quantities, 1))
    return Want(uuid(1), SITE, NOW, lines, WantState.SHORT, cause())


def task(*lines: PickLine, state: TaskState = TaskState.CLAIMED, **changes: object) -> Task:
    held = Hold("ann", NOW, live=True) if state in (TaskState.CLAIMED, TaskState.PICKED) else None
    usual = Task(uuid(5), uuid(1), SITE, state, NOW, NOW, HAND_OVER, 60, lines or (PickLine(1, 1, "CUP", "A-1", 3),), UUID(int=1), TRACE, 4, held)
    return replace(usual, **changes)  # type: ignore[arg-type]  # named by each test


@pytest.mark.parametrize(
    ("bins", "quantity", "chosen"),
    [
        ([("A", 5, 0), ("B", 9, 0)], 4, [("B", 4)]),
        ([("A", 5, 0), ("B", 9, 6)], 4, [("A", 4)]),
        ([("A", 3, 0), ("B", 4, 0)], 6, [("B", 4), ("A", 2)]),
        ([("B", 3, 0), ("A", 3, 0)], 1, [("A", 1)]),
        ([("A", 3, 3)], 1, []),
        ([("A", 2, 0)], 5, [("A", 2)]),
    ],
)
def test_one_bin_is_chosen_where_one_has_it_all(bins: list[tuple[str, int, int]], quantity: int, chosen: list[tuple[str, int]]) -> None:
    assert choose(shelf(*bins), quantity) == chosen


def test_a_quarantined_bin_gives_nothing_until_it_is_counted() -> None:
    aside = move(shelf(("A", 5, 2)), Movement(Kind.QUARANTINE, SITE, "CUP", "A"))
    assert (aside.available, aside.bin("A").held, choose(aside, 1)) == (0, 3, [])
    assert move(aside, Movement(Kind.RECEIPT, SITE, "CUP", "A", 4)).available == 0
    assert move(aside, Movement(Kind.CLEAR, SITE, "CUP", "A")).available == 3


def test_no_movement_leaves_more_reserved_than_on_hand() -> None:
    for wrong in (Movement(Kind.RESERVE, SITE, "CUP", "A", reserved=2), Movement(Kind.RELEASE, SITE, "CUP", "A", reserved=-1)):
        with pytest.raises(AssertionError, match="reserved"):
            move(shelf(("A", 1, 0)), wrong)


def test_lines_of_one_sku_are_summed_before_they_are_promised() -> None:
    assert missing(want(2, 2), {PLACE: shelf(("A", 3, 0))}, {}) == [Missing("CUP", 4, 3)]
    assert missing(want(2, 1), {PLACE: shelf(("A", 3, 0))}, {}) == []
    assert missing(want(2, 1), {PLACE: shelf(("A", 3, 0))}, {PLACE: 1}) == [Missing("CUP", 3, 2)]


def test_the_lines_share_a_shelf_without_taking_a_unit_twice() -> None:
    assert set_apart(want(2, 2), {PLACE: shelf(("A", 3, 0), ("B", 1, 0))}) == [
        Part(1, "CUP", "A", 2), Part(2, "CUP", "A", 1), Part(2, "CUP", "B", 1)
    ]  # fmt: skip


def test_the_walk_follows_the_bins() -> None:
    stops = walk(spots([Part(1, "CUP", "C", 1), Part(2, "MUG", "A", 2), Part(1, "CUP", "A", 3)]))
    assert [(stop.position, stop.bin, stop.line) for stop in stops] == [(1, "A", 1), (2, "A", 2), (3, "C", 1)]


def test_a_claim_raises_the_fence_and_a_live_one_keeps_others_out() -> None:
    first = claim(task(state=TaskState.READY), "ann", NOW)
    assert (first.fence, first.hold, first.first_claimed_at) == (5, Hold("ann", NOW, live=True), NOW)
    with pytest.raises(TaskTaken, match="ann"):
        claim(first, "bob", NOW)
    lapsed = replace(first, hold=Hold("ann", NOW, live=False))
    taken = claim(lapsed, "bob", NOW + timedelta(hours=1))
    assert (taken.fence, taken.first_claimed_at) == (6, NOW)
    with pytest.raises(StaleClaim, match="bob"):
        refuse_stale(taken, "ann", 5)


@pytest.mark.parametrize("by_and_fence", [("bob", 4), ("ann", 3), ("ann", 5)])
def test_only_the_newest_claim_counts(by_and_fence: tuple[str, int]) -> None:
    refuse_stale(task(), "ann", 4)
    with pytest.raises(StaleClaim):
        refuse_stale(task(), *by_and_fence)


@pytest.mark.parametrize(
    ("code_items", "quantity", "bin", "slug"),
    [
        ([], 1, None, "unknown-code"),
        ([Item("MUG", "A mug", 1, ("B-7",))], 1, None, "wrong-item"),
        ([Item("CUP", "A cup", 1)], 1, "B-1", "wrong-bin"),
        ([Item("CUP", "A cup", 1)], 4, None, "too-many"),
    ],
)
def test_a_wrong_scan_is_refused_by_its_own_name(code_items: list[Item], quantity: int, bin: str | None, slug: str) -> None:
    with pytest.raises(Refusal) as refused:
        pick(task(), "x", code_items, quantity, bin, NOW)
    assert refused.value.slug == slug


def test_two_items_may_share_a_barcode_and_the_wanted_one_is_meant() -> None:
    after, line = pick(task(), "x", [Item("MUG", "A mug", 1), Item("CUP", "A cup", 1)], 3, None, NOW)
    assert (line.sku, line.picked, after.state) == ("CUP", 3, TaskState.PICKED)


@pytest.mark.parametrize("found", [1, 3, 4])
def test_a_shelf_is_short_by_what_is_not_scanned_and_not_there(found: int) -> None:
    partly = task(PickLine(1, 1, "CUP", "A-1", 3, picked=2))
    assert come_up_short(partly, 1, 2) == (partly.lines[0], 1)
    with pytest.raises(NotShort):
        come_up_short(partly, 1, found)


@pytest.mark.parametrize(
    ("expected", "weight", "fits"), [(400, 660, True), (400, 661, False), (400, 259, False), (4_000, 4_872, True), (None, 9, True)]
)
def test_a_weight_may_be_off_by_a_fifth_or_200_grams(expected: int | None, weight: int, fits: bool) -> None:
    full = task(state=TaskState.PICKED)
    if fits:
        assert pack(full, Carton.S1, weight, uuid(9), "ann", expected, False, NOW).state is TaskState.PACKED
    else:
        with pytest.raises(WeightOff):
            pack(full, Carton.S1, weight, uuid(9), "ann", expected, False, NOW)
        assert pack(full, Carton.S1, weight, uuid(9), "ann", expected, True, NOW).weight_grams == weight
