"""At the last moment at which a promise can still be kept somebody is warned, once, by business time."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.kit.clock import FixedClock
from services.kit.ids import uuid7
from services.promises.ledger.due_watch import DueWatch
from services.promises.ledger.queries import _LATE
from services.promises.ledger.sayings import tariffs
from services.promises.ledger.writer import Writer
from tests.integration.promises.ledger.speaking import Speaking, speaking
from tests.support.polling import poll_until

DUE_AT = datetime(2026, 11, 27, 17, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.fixture
async def ledger(database_url: str, tmp_path: Path, clock: FixedClock) -> AsyncIterator[Speaking]:
    async with speaking(database_url, tmp_path, clock) as ledger:
        yield ledger


async def _at_risk(ledger: Speaking, promise_id: str) -> list[str]:
    reasons: list[str] = (await ledger.standing(promise_id))["at_risk"]
    return reasons


async def _late_at(ledger: Speaking) -> datetime | None:
    at: datetime | None = await ledger.database.pool.fetchval("select late_at from ledger_promises")
    return at


async def _quiet(ledger: Speaking, entries: int) -> None:
    """Several looks of the watch write nothing."""
    watch = DueWatch(Writer(ledger.database.clock), ledger.database, ledger.database.clock, tariffs())
    assert await watch.look() == 0
    assert await ledger.count() == entries


async def _shown(ledger: Speaking, promise_id: str, at: datetime) -> None:
    body = {"type": "called", "id": "call-1", "at": at.isoformat(), "quantity": 1}
    answered = await ledger.post(f"/v1/promises/{promise_id}/evidence", body)
    assert answered.status_code == 201, answered.text


async def test_a_call_that_nobody_made_is_late_a_quarter_of_an_hour_before_it_is_due(ledger: Speaking, clock: FixedClock) -> None:
    promise_id = (await ledger.promise())["promise_id"]
    clock.instant = DUE_AT - 15 * MINUTE - SECOND
    await _quiet(ledger, 1)
    clock.advance(SECOND)
    await ledger.until(2)
    assert await _at_risk(ledger, promise_id) == ["late"]
    assert await _late_at(ledger) is None
    clock.instant = DUE_AT
    await _quiet(ledger, 2)
    await _shown(ledger, promise_id, DUE_AT)
    standing = await ledger.standing(promise_id)
    assert (standing["verdict"], standing["at_risk"], standing["seq"]) == ("kept", [], 3)


async def test_what_was_cleared_is_not_warned_of_again(ledger: Speaking, clock: FixedClock) -> None:
    promise_id = (await ledger.promise())["promise_id"]
    clock.instant = DUE_AT - 15 * MINUTE
    await ledger.until(2)
    report = {"report_id": str(uuid7()), "promise_id": promise_id, "department": "care", "what": "out_of_risk", "reason": "late"}
    cleared = await ledger.post("/v1/promises:report", {"reports": [report]}, key=None)
    assert cleared.status_code == 200, cleared.text
    assert await _at_risk(ledger, promise_id) == []
    clock.advance(MINUTE)
    await _quiet(ledger, 3)


async def test_what_is_done_before_is_never_late(ledger: Speaking, clock: FixedClock) -> None:
    promise_id = (await ledger.promise())["promise_id"]
    await _shown(ledger, promise_id, clock.now())
    assert await _late_at(ledger) is None
    clock.instant = DUE_AT - MINUTE
    await _quiet(ledger, 2)


async def test_after_a_long_night_it_is_still_warned_of_and_what_is_due_by_then_only_breaks(ledger: Speaking, clock: FixedClock) -> None:
    watched = (await ledger.promise())["promise_id"]
    lost = (await ledger.promise(due={"said": "2026-11-27T17:30", "zone": "Europe/Berlin"}))["promise_id"]
    clock.instant = DUE_AT - 8 * MINUTE
    of_both = "select promise_id::text, line::json ->> 'kind' as kind from ledger_entries where position > 2 and promise_id = any ($1::uuid[])"

    async def came() -> bool:
        found = await ledger.database.pool.fetch(of_both, [watched, lost])
        return {row["promise_id"]: row["kind"] for row in found} == {watched: "at_risk", lost: "broken"}

    await poll_until(came)
    assert await ledger.count("ledger_refusals") == 0


async def test_among_many_open_promises_those_whose_last_moment_has_come_are_found_by_the_index(ledger: Speaking, clock: FixedClock) -> None:
    async with ledger.database.pool.acquire() as sql:
        plan = await sql.fetch(f"explain {_LATE}", clock.now(), 250)
    told = "\n".join(row[0] for row in plan)
    assert "ledger_promises_late" in told and "ledger_promises_next" not in told and "Seq Scan" not in told
