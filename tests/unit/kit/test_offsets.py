"""Which offset may be committed, whatever the order of acknowledgements."""

from hypothesis import given
from hypothesis import strategies as st

from services.kit.offsets import OffsetTracker


def _tracker(*offsets: int) -> OffsetTracker[str]:
    tracker: OffsetTracker[str] = OffsetTracker()
    for offset in offsets:
        tracker.delivered("p", [offset])
    return tracker


def test_nothing_delivered_commits_nothing() -> None:
    assert OffsetTracker[str]().committable("p") is None


def test_nothing_acknowledged_commits_the_first_delivered() -> None:
    assert _tracker(7, 8).committable("p") == 7


def test_a_later_acknowledgement_does_not_pass_an_earlier_message() -> None:
    tracker = _tracker(7, 8, 9)
    tracker.acknowledged("p", [8])
    tracker.acknowledged("p", [9])
    assert tracker.committable("p") == 7
    tracker.acknowledged("p", [7])
    assert tracker.committable("p") == 10


def test_gaps_in_the_log_are_passed() -> None:
    tracker = _tracker(7, 12, 40)
    tracker.acknowledged("p", [7])
    assert tracker.committable("p") == 12


def test_an_acknowledgement_from_before_a_reset_is_ignored() -> None:
    tracker = _tracker(7, 8)
    tracker.reset(["p"])
    tracker.acknowledged("p", [7])
    assert tracker.committable("p") is None
    tracker.delivered("p", [3])
    tracker.acknowledged("p", [8])
    assert tracker.committable("p") == 3


def test_a_reset_of_one_partition_leaves_the_others() -> None:
    tracker = _tracker(1)
    tracker.delivered("q", [5])
    tracker.reset(["p"])
    assert tracker.partitions() == ("q",)


@given(st.sets(st.integers(0, 60), min_size=1), st.data())
def test_never_past_what_is_not_done(offsets: set[int], data: st.DataObject) -> None:
    tracker = _tracker(*sorted(offsets))
    done = data.draw(st.sets(st.sampled_from(sorted(offsets))))
    for offset in data.draw(st.permutations(sorted(done))):
        tracker.acknowledged("p", [offset])
    assert tracker.committable("p") == min(offsets - done, default=max(offsets) + 1)
