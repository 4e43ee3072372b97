"""What a department does for a promise that binds it: taken over with the view, reported to the ledger once, warned of where nobody took it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from services.kit.clock import FixedClock
from services.kit.database import Database, Transaction, service_url
from services.kit.ids import uuid7
from services.kit.promise.duties import Bound, Duties, Report, What, report
from services.kit.promise.reporting import reporting
from services.kit.promise.state import Department
from services.kit.promise.view import apply
from services.promises.settings import Settings
from tests.integration.promises.ledger.speaking import Speaking, speaking

WAREHOUSE = {"kind": "free_text", "department": "warehouse", "customer_text": "We look behind the shelf for your glove."}


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("promises", "fulfilment")


class Floor:
    """Fulfilment as the ledger knows it: a view, its duties, and the errand that reports."""

    def __init__(self, ledger: Speaking, database: Database, settings: Settings) -> None:
        self.ledger, self.database = ledger, database
        self.taken: list[Bound] = []
        self.duties = Duties(frozenset({Department.WAREHOUSE, Department.DELIVERY}), self._take)
        self.errand = reporting("fulfilment", settings, httpx.ASGITransport(ledger.app))

    async def hear(self, entries: int) -> None:
        told = await self.ledger.told(entries)
        async with self.database.transaction() as work:
            await apply(work, told, self.duties)

    async def say(self, *reports: Report) -> None:
        async with self.database.transaction() as work:
            report(work, reports)

    async def send(self) -> int:
        return await self.errand.run(self.database)

    async def waiting(self) -> int:
        return int(await self.database.pool.fetchval("select count(*) from promise_reports"))

    async def _take(self, work: Transaction, bound: Sequence[Bound]) -> None:
        self.taken += bound


@pytest.fixture
async def floor(database_url: str, tmp_path: Path, clock: FixedClock) -> AsyncIterator[Floor]:
    async with speaking(database_url, tmp_path, clock) as ledger:
        database = await Database.connect(service_url(database_url, "fulfilment"), "fulfilment", clock)
        yield Floor(ledger, database, Settings(var=tmp_path))
        await database.close()


async def test_what_binds_a_department_is_taken_over_and_received_and_nothing_else_is(floor: Floor) -> None:
    ours = (await floor.ledger.promise(**WAREHOUSE))["promise_id"]
    theirs = (await floor.ledger.promise())["promise_id"]
    await floor.hear(2)
    assert [(str(bound.promise.promise_id), bound.words, bound.before) for bound in floor.taken] == [(ours, WAREHOUSE["customer_text"], None)]
    assert await floor.send() == 1
    assert (await floor.ledger.standing(ours))["received"] == ["warehouse"]
    assert (await floor.ledger.standing(theirs))["received"] == []
    assert (await floor.waiting(), await floor.send()) == (0, 0)


async def test_who_watches_hears_of_every_promise_and_receives_what_is_theirs(floor: Floor) -> None:
    floor.duties = replace(floor.duties, watches=True)
    ours, theirs = (await floor.ledger.promise(**WAREHOUSE))["promise_id"], (await floor.ledger.promise())["promise_id"]
    await floor.hear(2)
    assert {str(bound.promise.promise_id) for bound in floor.taken} == {ours, theirs}
    assert await floor.send() == 1
    assert [(await floor.ledger.standing(each))["received"] for each in (ours, theirs)] == [["warehouse"], []]


async def test_what_comes_again_is_received_once(floor: Floor) -> None:
    await floor.ledger.promise(**WAREHOUSE)
    await floor.hear(1)
    await floor.hear(1)
    assert (await floor.waiting(), len(floor.taken)) == (1, 1)


async def test_evidence_is_reported_once_whatever_comes_between(floor: Floor) -> None:
    promise_id = UUID((await floor.ledger.promise(**WAREHOUSE))["promise_id"])
    shown = Report(promise_id, Department.WAREHOUSE, What.EVIDENCE, type="done", id="scan-1", at=datetime(2026, 11, 24, 12, tzinfo=UTC))
    await floor.say(shown, shown)
    rows = await floor.database.pool.fetch("select report_id, body from promise_reports order by number")
    assert await floor.send() == 2
    await floor.database.pool.executemany("insert into promise_reports values ($1, default, $2)", [tuple(row) for row in rows])
    assert await floor.send() == 2
    standing = await floor.ledger.standing(str(promise_id))
    assert (standing["verdict"], standing["settled_by"], standing["seq"]) == ("kept", "warehouse", 2)


async def test_what_the_ledger_refuses_is_not_reported_for_ever(floor: Floor) -> None:
    promise_id = UUID((await floor.ledger.promise(**WAREHOUSE))["promise_id"])
    await floor.say(Report(uuid7(), Department.WAREHOUSE, What.SEEN), Report(promise_id, Department.DELIVERY, What.SEEN))
    assert (await floor.send(), await floor.waiting()) == (2, 0)
    assert (await floor.ledger.standing(str(promise_id)))["seen"] == []


async def test_a_ledger_that_is_away_loses_no_report(floor: Floor) -> None:
    await floor.ledger.promise(**WAREHOUSE)
    await floor.hear(1)

    async def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody listens", request=request)

    with pytest.raises(ConnectionError):
        await reporting("fulfilment", Settings(), httpx.MockTransport(away)).run(floor.database)
    assert await floor.waiting() == 1


async def test_nobody_reports_for_another_department(floor: Floor) -> None:
    promise_id = (await floor.ledger.promise(**WAREHOUSE))["promise_id"]
    body = {"reports": [{"report_id": str(uuid7()), "promise_id": promise_id, "department": "warehouse", "what": "seen"}]}
    refused = await floor.ledger.post("/v1/promises:report", body, key=None, subject="orders")
    assert (refused.status_code, refused.json()["type"].rsplit(":")[-1]) == (403, "other-department")
    body["reports"][0] |= {"what": "evidence"}
    silent = await floor.ledger.post("/v1/promises:report", body, key=None, subject="fulfilment")
    assert (silent.status_code, "also says type and id and at" in silent.text) == (422, True)
    assert await floor.ledger.count() == 1


async def test_who_shows_a_promise_reports_that_it_was_told_and_nothing_else_for_messages(floor: Floor) -> None:
    promise_id = (await floor.ledger.promise(**WAREHOUSE))["promise_id"]
    told = {"promise_id": promise_id, "department": "messages", "what": "told", "channel": "page"}
    late = {"promise_id": promise_id, "department": "messages", "what": "at_risk", "reason": "late"}
    for service, said, status in (("fulfilment", told, 403), ("orders", late, 403), ("orders", told, 200)):
        body = {"reports": [said | {"report_id": str(uuid7())}]}
        answered = await floor.ledger.post("/v1/promises:report", body, key=None, subject=service)
        assert answered.status_code == status, (service, said)
    assert (await floor.ledger.standing(promise_id))["told"] is True


async def test_a_promise_that_no_department_took_is_at_risk_until_one_does(floor: Floor) -> None:
    promise_id = (await floor.ledger.promise(**WAREHOUSE))["promise_id"]
    within = "acknowledge_by between clock_timestamp() + interval '50 s' and clock_timestamp() + interval '60 s'"
    assert await floor.ledger.database.pool.fetchval(f"select count(*) from ledger_promises where {within}") == 1
    await floor.ledger.database.pool.execute("update ledger_promises set acknowledge_by = clock_timestamp()")
    await floor.ledger.until(2)
    assert (await floor.ledger.standing(promise_id))["at_risk"] == ["unacknowledged"]
    assert await floor.ledger.database.pool.fetchval("select acknowledge_by from ledger_promises") is None
    await floor.hear(2)
    await floor.send()
    standing = await floor.ledger.standing(promise_id)
    assert (standing["at_risk"], standing["received"], standing["seq"]) == ([], ["warehouse"], 3)
