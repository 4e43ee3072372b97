"""What a department does for the promises that bind it: its work rows, made in the transaction that hears of them, and what it reports of them.

A report is a row of the department's own schema, committed with the work that it tells of; the service's leader takes it to the ledger, as often as
it takes, under the report's own id, so that it counts once.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import msgspec

from services.kit.database import Database, Transaction
from services.kit.ids import named_uuid, uuid7
from services.kit.promise.state import Department, Promise, Risk

_ADD = "insert into promise_reports (report_id, body) select * from unnest($1::uuid[], $2::text[]) on conflict do nothing"


class Bound(NamedTuple):
    """A promise that a department takes over, as it stands and as it stood: `before` is None where it was just made. `words` are None once erased."""

    promise: Promise
    words: str | None
    before: Promise | None


@dataclass(frozen=True, slots=True)
class Duties:
    """Which departments a service is, and how it takes over what changed of their promises: in order, in the transaction that heard of it, and a
    second time for what comes again. With `watches` it takes over what changed of every promise, whomever that binds."""

    departments: frozenset[Department]
    take: Callable[[Transaction, Sequence[Bound]], Awaitable[None]]
    watches: bool = False
    differing: Callable[[Database], Awaitable[Sequence[UUID]]] | None = None
    """The promises of which a work row says something else than the duty in the view does: looked for by whoever keeps the view."""

    def bind(self, promise: Promise) -> list[Department]:
        """Those of these departments that must act for the promise."""
        return sorted(self.departments & {duty.department for duty in promise.said.duties})

    async def hear(self, work: Transaction, changed: Sequence[Bound]) -> None:
        """Have what binds us taken over; what was just made is received with it."""
        ours = [bound for bound in changed if self.bind(bound.promise)]
        if taken := changed if self.watches else ours:
            await self.take(work, taken)
        made = [bound.promise for bound in ours if bound.before is None]
        report(work, [Report(promise.promise_id, department, What.RECEIVED) for promise in made for department in self.bind(promise)])


class What(StrEnum):
    """What is reported."""

    RECEIVED = "received"
    SEEN = "seen"
    EVIDENCE = "evidence"
    TOLD = "told"
    AT_RISK = "at_risk"
    OUT_OF_RISK = "out_of_risk"


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fact of a promise, said by a department. Evidence tells its type, the source's own `id`, how much and when; `told` its channel; a risk its
    reason."""

    promise_id: UUID
    department: Department
    what: What
    type: str | None = None
    id: str | None = None
    quantity: int = 1
    at: datetime | None = None
    channel: str | None = None
    reason: Risk | None = None


def report(work: Transaction, reports: Sequence[Report]) -> None:
    """Say it with this commit. The same evidence may be said again: the ledger counts it once by its id."""
    _add(work, [uuid7() for _ in reports], reports)


def report_told(work: Transaction, promise_ids: Sequence[UUID], channel: str) -> None:
    """Say with this commit that the customer is told of these by this channel: one report, however often it is said."""
    reports = [Report(promise_id, Department.MESSAGES, What.TOLD, channel=channel) for promise_id in promise_ids]
    _add(work, [named_uuid("told", channel, str(promise_id)) for promise_id in promise_ids], reports)


def _add(work: Transaction, ids: Sequence[UUID], reports: Sequence[Report]) -> None:
    if reports:
        work.write(_ADD, ids, [msgspec.json.encode(each).decode() for each in reports])
