"""From the topic to the route: every service's worker hears a revocation, and every service's API refuses the token."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.kit import tokens
from services.kit.clock import SystemClock, record_now
from services.kit.database import Database, service_url
from services.kit.http.revoked import Revoked
from services.kit.ids import uuid7
from services.kit.kafka_log import KafkaLog
from services.kit.ports import Outgoing
from services.kit.revocations import SUBJECT_REVOKED, TOPIC
from services.kit.settings import KitSettings
from services.kit.worker import Worker
from tests.integration.kit import toy
from tests.integration.kit.conftest import Site
from tests.support.apps import APPLICATIONS, answering
from tests.support.messages import event_headers
from tests.support.polling import poll_until
from tests.support.workers import working

PATHS = {
    "orders": "/v1/orders?channel=web&external_ref=1",
    "fulfilment": "/v1/carrier-services",
    "promises": "/v1/promises/019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a01",
    "loyalty": "/v1/upgrade-rules",
    "notifications": "/v1/messages?state=sent",
    "issuer": "/v1/staff",
}


def _revoked(prefix: str, subject: str, not_before: datetime) -> Outgoing:
    value = f'{{"subject": "{subject}", "not_before": "{not_before.isoformat()}"}}'.encode()
    return Outgoing(prefix + TOPIC, subject.encode(), value, event_headers(uuid7(), SUBJECT_REVOKED, subject))


@pytest.mark.parametrize("driver", ["faust", "raw"])
async def test_the_latest_instant_stays_whatever_comes_after_it(site: Site, log: KafkaLog, driver: str) -> None:
    first, last = datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)
    settings = KitSettings(KAFKA_BOOTSTRAP_SERVERS=site.kafka, DATABASE_URL=site.database, topic_prefix=site.prefix, driver=driver)
    told = [("badge-1", first), ("badge-1", last), ("badge-2", first), ("badge-1", first)]
    async with working(Worker(toy.STAGE, settings=settings)):
        await log.send([_revoked(site.prefix, subject, at) for subject, at in (*told, *told, ("end", first))])
        await poll_until(lambda: site.one("select count(*) from revocations where subject = 'end'"), 30)
    assert site.ask("select subject, not_before from revocations order by subject") == [("badge-1", last), ("badge-2", first), ("end", first)]
    assert site.one("select count(*) from inbox") == 9
    assert site.one("select count(*) from dead_letters") == 0


def _bearer(folder: Path, subject: str) -> dict[str, str]:
    settings = KitSettings(var=folder)
    given = tokens.token(folder / "keys", "admin", issuer=settings.token_issuer, audience=settings.token_audience, subject=subject)
    return {"authorization": f"Bearer {given}"}


@pytest.mark.parametrize("service", APPLICATIONS)
async def test_every_service_reads_its_own_table(service: str, database_url: str, tmp_path: Path) -> None:
    with psycopg.connect(service_url(database_url, service), options=f"-c search_path={service}") as connection:
        instants = {"gone": record_now() + timedelta(seconds=1), "back": record_now() - timedelta(minutes=1)}
        connection.cursor().executemany("insert into revocations values (%s, %s)", list(instants.items()))
    async with answering(service, tmp_path, database_url) as client:
        answers = {subject: await client.get(PATHS[service], headers=_bearer(tmp_path, subject)) for subject in ("gone", "back", "other")}
    assert answers["gone"].status_code == 403
    assert answers["gone"].json()["type"] == "urn:kept:problem:revoked"
    assert {answers[subject].status_code for subject in ("back", "other")} <= {200, 404}


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """An API that reads the table for every request."""
    monkeypatch.setattr(Revoked, "fresh_seconds", -1.0)
    monkeypatch.setattr("services.kit.http.reread.Reread.pause_seconds", 0.0)


@pytest.mark.usefixtures("fresh")
async def test_a_token_that_was_good_is_refused_once_the_worker_has_heard(
    database_url: str, kafka: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from services.loyalty.agents import STAGE

    log, headers = KafkaLog(kafka, "test"), _bearer(tmp_path, "badge-1")
    settings = KitSettings(KAFKA_BOOTSTRAP_SERVERS=kafka, DATABASE_URL=database_url, topic_prefix=prefix)

    async def status() -> int:
        return (await client.get(PATHS["loyalty"], headers=headers)).status_code

    async def refused() -> bool:
        return await status() == 403

    async with working(Worker(STAGE, settings=settings)), answering("loyalty", tmp_path, database_url) as client:
        assert await status() == 200
        await log.send([_revoked(prefix, "badge-1", record_now() + timedelta(seconds=1))])
        await poll_until(refused, 30)
    await log.close()


@pytest.mark.usefixtures("fresh")
async def test_a_database_that_is_away_lets_nobody_in_who_may_have_been_sent_away(database_url: str) -> None:
    database = await Database.connect(service_url(database_url, "loyalty"), "loyalty", SystemClock())
    seconds = [0.0]
    revoked = Revoked(lambda: database, now=lambda: seconds[0])
    await revoked.refuse("badge-1", 0.0)
    await database.close()
    await revoked.refuse("badge-1", 0.0)
    seconds[0] += 61
    problem: Callable[[], Any] = lambda: revoked.refuse("badge-1", 0.0)  # noqa: E731
    with pytest.raises(Exception, match="unavailable"):
        await problem()
