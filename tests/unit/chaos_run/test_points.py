"""Row 2 of a fault run: where processes die."""

from collections import Counter

from chaos.run.processes import WALKED
from services.kit.failpoints import POINTS

IN_HAND = frozenset(
    (
        *("stage.begun", "inbox.entered", "stage.handling", "stage.handled", "letters.buried", "outbox.inserted"),
        *("amendment.prepared", "amendment.dated", "amendment.decided", "amendment.settled"),
    )
)
"""Between taking an event in hand, which is counted, and its commit."""


def test_every_point_is_walked_once() -> None:
    assert Counter(point for points in WALKED.values() for point in points) == Counter(POINTS)


def test_no_event_can_be_taken_for_one_that_kills() -> None:
    """At the third death over it an event is set aside."""
    for service, points in WALKED.items():
        assert len(IN_HAND.intersection(points)) <= 2, service
