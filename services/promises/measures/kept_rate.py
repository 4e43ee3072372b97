"""How many promises were kept, by the first date that was given; by the last one beside it.

A promise and those that replaced it are one commitment and count once. Whoever moves a date does not improve the rate by it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.kit.promise.state import Department, Kind, Promise, Verdict
from services.promises.measures.ratio import Ratio, ratio
from services.promises.measures.spans import utc


@dataclass(frozen=True, slots=True)
class Kept:
    """Commitments kept of those that count: by the first date, and by the last one that was given. The two may count differently many."""

    first: Ratio
    revised: Ratio


@dataclass(frozen=True, slots=True)
class KeptRate:
    """Of all commitments; by kind; by department with a duty. One that binds two departments counts for both: departments do not add up."""

    overall: Kept
    by_kind: Mapping[Kind, Kept]
    by_department: Mapping[Department, Kept]


@dataclass(frozen=True, slots=True)
class _Counted:
    promise: Promise
    first: bool | None
    revised: bool | None


def kept_rate(promises: Iterable[Promise], taken_back: Collection[UUID], at: datetime) -> KeptRate:
    """As it stands at this instant. `taken_back`: those released at our request, which their state does not tell. Kind and department are the first
    promise's. Raises ValueError where a promise replaces one that is not among them: its first date would be unknown."""
    counted = [_counted(commitment, taken_back, utc(at)) for commitment in _commitments(promises)]
    kinds: defaultdict[Kind, list[_Counted]] = defaultdict(list)
    departments: defaultdict[Department, list[_Counted]] = defaultdict(list)
    for each in counted:
        kinds[each.promise.said.kind].append(each)
        for department in {duty.department for duty in each.promise.said.duties}:
            departments[department].append(each)
    return KeptRate(
        _kept(counted),
        {kind: _kept(kinds[kind]) for kind in sorted(kinds)},
        {department: _kept(departments[department]) for department in sorted(departments)},
    )


def _kept(counted: Collection[_Counted]) -> Kept:
    return Kept(ratio(each.first for each in counted), ratio(each.revised for each in counted))


def _counted(commitment: list[Promise], taken_back: Collection[UUID], at: datetime) -> _Counted:
    first, *later = commitment
    return _Counted(first, _outcome(first, later, taken_back, at), _outcome(commitment[-1], [], taken_back, at))


def _outcome(promise: Promise, later: list[Promise], taken_back: Collection[UUID], at: datetime) -> bool | None:
    """Whether it was kept by its own date, by itself or by one of `later` that replaced it; None where that does not count, or not yet."""
    verdict, due_at = promise.stands.verdict, promise.said.due.at
    if verdict in (Verdict.KEPT, Verdict.BROKEN):
        return verdict is Verdict.KEPT
    if promise.promise_id in taken_back:
        return False
    if any(each.stands.verdict is Verdict.KEPT and _settled_by(each, due_at) for each in later):
        return True
    if verdict is Verdict.RELEASED and all(_let_go(each, taken_back) and _settled_by(each, due_at) for each in later):
        return None
    return False if at > due_at else None


def _settled_by(promise: Promise, instant: datetime) -> bool:
    return promise.stands.settled_at is not None and promise.stands.settled_at <= instant


def _let_go(promise: Promise, taken_back: Collection[UUID]) -> bool:
    return promise.stands.verdict is Verdict.RELEASED and promise.promise_id not in taken_back


def _commitments(promises: Iterable[Promise]) -> list[list[Promise]]:
    """Each promise with those that replaced it, in their order, without void ones: a clerical error was never said."""
    known = {promise.promise_id: promise for promise in promises}
    together: defaultdict[UUID, list[tuple[int, datetime, UUID]]] = defaultdict(list)
    for promise in known.values():
        first, replaced = _origin(promise, known)
        if promise.stands.verdict is not Verdict.VOID:
            together[first].append((replaced, promise.said.due.at, promise.promise_id))
    return [[known[id] for _, _, id in sorted(each)] for each in together.values()]


def _origin(promise: Promise, known: Mapping[UUID, Promise]) -> tuple[UUID, int]:
    """The promise that it all began with, and how many were replaced since."""
    replaced = 0
    while promise.said.replaces is not None:
        if promise.said.replaces not in known or replaced > len(known):
            raise ValueError(f"promise {promise.promise_id} replaces {promise.said.replaces}, which is not there before it: give all of a commitment")
        promise, replaced = known[promise.said.replaces], replaced + 1
    return promise.promise_id, replaced
