"""One verdict per promise, whatever comes in whatever order."""

from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.kit.values import Cause
from services.promises.dates.domain import Cancelled, Delivered, Kind, State, Story, Wording, lapse, make, release, settle
from services.promises.quoting.domain import make_quote
from tests.unit.promises.events import DUE_AT, PLACED, PLACED_AT, TRACE, heard
from tests.unit.promises.quoting_cases import basis, ground

CAUSE = Cause(UUID(int=1), UUID(int=1), TRACE)
ORDER = heard("OrderPlaced", PLACED).data
MADE = make(
    ORDER, make_quote(ORDER.ask, basis(ground(), now=PLACED_AT)), Wording("By then.", "en"), id=UUID(int=2), quote_id=None, now=PLACED_AT, cause=CAUSE
)  # fmt: skip
VERDICTS = (Kind.KEPT, Kind.BROKEN, Kind.RELEASED)
instants = st.integers(-3, 3).map(lambda seconds: DUE_AT + timedelta(seconds=seconds))
happenings = st.lists(st.tuples(st.sampled_from(["delivered", "part", "cancelled", "watch"]), instants, st.integers(1, 3)), max_size=12)


def test_the_due_instant_itself_is_not_past() -> None:
    assert lapse(MADE.promise, DUE_AT) is None
    broken = lapse(MADE.promise, DUE_AT + timedelta(microseconds=1))
    assert broken is not None
    assert (broken.kind, broken.promise.settled_at) == (Kind.BROKEN, DUE_AT)
    assert lapse(broken.promise, DUE_AT + timedelta(days=1)) is None


@given(happenings)
def test_whatever_happens_there_is_one_verdict_and_every_key_is_new(happened: list[tuple[str, object, int]]) -> None:
    story, entries = Story(ORDER).after([MADE]), [MADE]
    for n, (what, at, id) in enumerate(happened):
        now = DUE_AT + timedelta(seconds=n)
        match what:
            case "watch":
                new = [entry for promise in story.promises if (entry := lapse(promise, now))]
            case "cancelled":
                new = release(story, Cancelled(ORDER.order_id, UUID(int=id), at), now, CAUSE)  # type: ignore[arg-type]
            case _:
                new = settle(story, Delivered(ORDER.order_id, at, str(id), what == "delivered"), now, CAUSE)  # type: ignore[arg-type]
        story = story.after(new)
        entries += new
    assert len([entry for entry in entries if entry.kind in VERDICTS]) == (story.promises[0].state is not State.OPEN)
    assert [entry.promise.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert len({entry.key for entry in entries}) == len(entries)
