"""Carrier services in PostgreSQL. Changing one and announcing it is one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from services.fulfilment.shipping.schedule.domain import CarrierService
from services.fulfilment.shipping.schedule.messages import CAPACITY_TOPIC, CARRIER_SERVICE_SCHEDULED, CarrierServiceScheduled, from_document
from services.kit.database import Transaction
from services.kit.ids import uuid7
from services.kit.values import Cause

_LOCK = "select version, schedule from carrier_services where code = $1 for update"
_SAVE = """
insert into carrier_services (code, site, service, withdrawn, version, schedule, changed_by, changed_at, revision)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (code) do update set site = excluded.site, service = excluded.service, withdrawn = excluded.withdrawn, version = excluded.version,
    revision = excluded.revision, schedule = excluded.schedule, changed_by = excluded.changed_by, changed_at = excluded.changed_at"""

CURRENT = "select code, revision from carrier_services where $1::text[] is null or code = any($1)"
"""Which revision each carrier service has: of these codes, or of all where none are given (null)."""

_KEPT = 200
_read: dict[UUID, CarrierService] = {}
"""Schedules read before, by revision: a schedule of a thousand lanes takes longer to read than a batch to decide, and a revision never changes."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A carrier service with the version of its schedule."""

    version: int
    schedule: CarrierServiceScheduled


async def find(work: Transaction, code: str, *, lock: bool = False) -> Scheduled | None:
    """The carrier service of this code. `lock`: until the commit nobody else changes it, nor puts in one of this code."""
    if lock:
        await work.connection.execute("select pg_advisory_xact_lock(hashtextextended('carrier service ' || $1, 0))", code)
    row = await work.connection.fetchrow(_LOCK.removesuffix(" for update") if not lock else _LOCK, code)
    return Scheduled(row["version"], msgspec.convert(row["schedule"], CarrierServiceScheduled)) if row else None


async def every(work: Transaction, site: str | None = None) -> list[Scheduled]:
    """All carrier services, or those of one site, by code."""
    rows = await work.connection.fetch("select version, schedule from carrier_services where $1::text is null or site = $1 order by code", site)
    return [Scheduled(row["version"], msgspec.convert(row["schedule"], CarrierServiceScheduled)) for row in rows]


async def save(work: Transaction, schedule: CarrierServiceScheduled, version: int, by: str, cause: Cause) -> None:
    """Put the schedule in the place of the one before and announce it."""
    said = schedule
    document = msgspec.to_builtins(said)
    await work.connection.execute(_SAVE, said.carrier_service, said.site, said.service, said.withdrawn, version, document, by, work.now, uuid7())
    work.say(CAPACITY_TOPIC, CARRIER_SERVICE_SCHEDULED, document, key=said.carrier_service, cause=cause, version=version)


async def load(work: Transaction, codes: Sequence[str] | None = None) -> dict[str, CarrierService]:
    """Carrier services to reckon with, by code; all of them where no codes are given."""
    wanted = list(codes) if codes is not None else None
    return await known(work, await work.connection.fetch(CURRENT, wanted))


async def known(work: Transaction, current: Sequence[Any]) -> dict[str, CarrierService]:
    """The carrier services of these rows of `CURRENT`, by code."""
    unread = [row["revision"] for row in current if row["revision"] not in _read]
    if unread:
        if len(_read) + len(unread) > _KEPT:
            _read.clear()
        for row in await work.connection.fetch("select revision, schedule from carrier_services where revision = any($1::uuid[])", unread):
            _read[row["revision"]] = from_document(row["schedule"])
    return {row["code"]: _read[row["revision"]] for row in current}
