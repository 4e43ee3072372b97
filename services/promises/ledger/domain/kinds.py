"""What each kind of promise binds whom to, what shows that it was kept, and when it counts as broken.

Whoever promises names the kind: which departments must act follows from it, so that nothing can be promised that nobody must do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from services.kit.promise.state import Department, Duty, Kind, Made, Promise

HAND_OVER, DONE = "hand_over_scan", "done"

_GRACE = timedelta(minutes=30)
"""Once the stop was started, or the trailer has left, the scan at the door may be on a device that is out of reach for a while."""

_TAKES: Mapping[Kind, timedelta] = MappingProxyType(
    {
        Kind.REFUND: timedelta(minutes=10),
        Kind.CREDIT: timedelta(minutes=10),
        Kind.SEND_INFORMATION: timedelta(minutes=10),
        Kind.CALL_BACK: timedelta(minutes=15),
        Kind.CALL_AHEAD: timedelta(minutes=15),
        Kind.FOLLOW_UP: timedelta(minutes=15),
        Kind.ANSWER_BY: timedelta(minutes=30),
        Kind.FREE_TEXT: timedelta(minutes=30),
        Kind.SUPPLIERS_DATE: timedelta(hours=1),
    }
)
"""So long it takes whoever must act. What leaves with a departure is not here: that is late when it misses its own."""


class Needs(StrEnum):
    """What has to be said beside the sentence."""

    ORDER = "order_id"
    SKU = "sku"
    AMOUNT = "amount"
    THING = "thing"
    DEPARTMENT = "department"


@dataclass(frozen=True, slots=True)
class Shape:
    """`works` are department, action and type of evidence of each duty; `held`: goods, or a place on a van, are to be held before it is promised."""

    works: tuple[tuple[Department, str, str], ...]
    kept_by: str
    needs: frozenset[Needs] = frozenset()
    held: bool = False


_CARRY = ((Department.WAREHOUSE, "pick", "pick_scan"), (Department.DELIVERY, "hand_over", HAND_OVER))


def _by(department: Department, action: str, evidence: str, *needs: Needs) -> Shape:
    return Shape(((department, action, evidence),), evidence, frozenset(needs))


SHAPES: Mapping[Kind, Shape] = MappingProxyType(
    {
        Kind.DELIVERY_DATE: Shape(_CARRY, HAND_OVER, frozenset({Needs.ORDER}), held=True),
        Kind.GIFT: Shape(_CARRY, HAND_OVER, frozenset({Needs.ORDER, Needs.SKU, Needs.THING}), held=True),
        Kind.REFUND: _by(Department.PAYMENTS, "refund", "refunded", Needs.AMOUNT),
        Kind.CREDIT: _by(Department.PAYMENTS, "credit", "credited", Needs.AMOUNT),
        Kind.CALL_BACK: _by(Department.CARE, "call_back", "called"),
        Kind.CALL_AHEAD: _by(Department.DELIVERY, "call_ahead", "called"),
        Kind.ANSWER_BY: _by(Department.CARE, "answer", "answered"),
        Kind.SEND_INFORMATION: _by(Department.MESSAGES, "send", "sent", Needs.THING),
        Kind.FOLLOW_UP: _by(Department.CARE, "follow_up", "followed_up"),
        Kind.SUPPLIERS_DATE: _by(Department.WAREHOUSE, "receive", "received", Needs.THING),
        Kind.FREE_TEXT: Shape((), DONE, frozenset({Needs.DEPARTMENT})),
    }
)

WITHOUT_GOODS = tuple(sorted(kind for kind, shape in SHAPES.items() if not shape.held))
"""What can be promised while nothing can be held."""


def duties_of(kind: Kind, *, sku: str | None = None, amount_minor: int | None = None, department: Department | None = None) -> tuple[Duty, ...]:
    """What must be done for it, by whom. `department` is whose duty a promise in free text is."""
    works = SHAPES[kind].works or (((department, "do", DONE),) if department else ())
    return tuple(Duty(owner, action, evidence, sku, amount_minor) for owner, action, evidence in works)


def breaks_at(promise: Promise) -> datetime:
    """From when on an open promise is broken. The instant of the break is `due` all the same."""
    is_carried = promise.said.kept_by == HAND_OVER and Department.DELIVERY in promise.stands.seen
    return promise.said.due.at + (_GRACE if is_carried else timedelta())


def last_moment(said: Made, made_at: datetime) -> datetime | None:
    """The last instant at which somebody who begins can still keep it; half of the time there was where that is later, so that nobody is warned of
    what was only just promised. None where a departure decides."""
    takes = _TAKES.get(said.kind)
    return None if takes is None else max(said.due.at - takes, made_at + (said.due.at - made_at) / 2)
