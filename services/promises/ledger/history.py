"""A promise as it stood, or as it was known to stand, at another instant: its entries added up as far as they count then."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from services.kit.promise.line import Line
from services.kit.promise.state import Broken, Corrected, Evidenced, Fact, Made, Promise, after


def as_of(entries: Iterable[Line], known_at: datetime | None = None, effective_at: datetime | None = None) -> Promise | None:
    """The promise by what was recorded up to `known_at` and had come about by `effective_at`; None where it was not made by then.

    A break that is noticed later counts from its due instant, evidence from when it happened: what was known on Monday of Monday may differ from what
    is known of it on Tuesday.
    """
    promise: Promise | None = None
    for line in entries:
        fact = line.fact()
        if (known_at and line.recorded_at > known_at) or (effective_at and _came_about(fact, line) > effective_at):
            continue
        if isinstance(fact, Made):
            promise = Promise(line.promise_id, line.seq, fact)
        elif promise is not None:
            promise = replace(after(promise, fact, line.actor.department, line.recorded_at), seq=line.seq)
    return promise


def _came_about(fact: Fact, line: Line) -> datetime:
    match fact:
        case Broken():
            return fact.due_at
        case Evidenced():
            return fact.at
        case Corrected():
            return fact.evidence.at
        case _:
            return line.occurred_at
