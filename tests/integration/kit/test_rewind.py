"""A service is sent back in a topic and reads all of it again: nothing changes."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from kafka.admin import KafkaAdminClient, MemberToRemove

from services.kit import cli
from services.kit.topics import lag
from tests.integration.kit import toy
from tests.integration.kit.conftest import Site, audit, end, mixed, own_topic, produce, settled
from tests.support.polling import poll_until
from tests.support.toys import SERVICE

_TABLES = ("counted", "inbox", "outbox", "dead_letters")


@pytest.fixture
def admin(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[KafkaAdminClient]:
    """The command `kept` means this site."""
    for name, value in {"KAFKA_BOOTSTRAP_SERVERS": site.kafka, "DATABASE_URL": site.database, "KEPT_TOPIC_PREFIX": site.prefix}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KEPT_VAR", str(site.folder))
    client = KafkaAdminClient(bootstrap_servers=site.kafka)
    yield client
    client.close()


async def test_all_events_again_change_nothing(site: Site, admin: KafkaAdminClient, capsys: pytest.CaptureFixture[str]) -> None:
    load = mixed(site.prefix + toy.HEARD, 600)
    await produce(site, load.messages)
    process = site.start("raw")
    await settled(site, load)
    await poll_until(lambda: _behind(site) == 0)
    before, said = _state(site), len(await own_topic(site))
    assert _reset("beginning") == 1
    assert "is not at rest" in capsys.readouterr().err
    assert end(process) == 0
    await _forget_the_worker(site, admin)
    assert _reset("beginning", "--dry-run") == 0
    assert f"would read {len(load.messages)} messages again" in capsys.readouterr().out
    assert _behind(site) == 0
    assert _reset("beginning") == 0
    assert _behind(site) == len(load.messages)
    site.start("raw")
    await poll_until(lambda: _behind(site) == 0, 30)
    await audit(site, load)
    assert (_state(site), len(await own_topic(site))) == (before, said)


async def test_it_is_only_ever_sent_back(site: Site, admin: KafkaAdminClient, capsys: pytest.CaptureFixture[str]) -> None:
    """To an offset or an instant; never past what it has read."""
    load = mixed(site.prefix + toy.HEARD, 60)
    await produce(site, load.messages)
    process = site.start("raw")
    await settled(site, load)
    await poll_until(lambda: _behind(site) == 0)
    assert end(process) == 0
    await _forget_the_worker(site, admin)
    await produce(site, load.messages[:5])
    now = datetime.now(UTC)
    for to, again in (("1000000", 5), ((now + timedelta(hours=1)).isoformat(), 5), ((now - timedelta(hours=1)).isoformat(), len(load.messages) + 5)):
        assert _reset(to) == 0
        assert _behind(site) == again, to
    for to, reason in (("yesterday", "yesterday"), ("2026-11-22T06:00:00", "no zone")):
        assert _reset(to) == 1
        assert reason in capsys.readouterr().err
    assert cli.run(["offsets", "reset", SERVICE, toy.SAID, "--to", "beginning"]) == 1
    assert "has acknowledged nothing" in capsys.readouterr().err


def _reset(to: str, *more: str) -> int:
    return cli.run(["offsets", "reset", SERVICE, toy.HEARD, "--to", to, *more])


def _behind(site: Site) -> int | None:
    """None until something was acknowledged in every partition."""
    behind = lag(site.kafka, f"{site.prefix}{SERVICE}").get(site.prefix + toy.HEARD, {})
    return sum(behind.values()) if len(behind) == 6 else None


def _state(site: Site) -> str:
    """A digest of every row of the tables that the service fills."""
    rows = [sorted(map(str, site.ask(f"select t::text from {table} t"))) for table in _TABLES]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


async def _forget_the_worker(site: Site, admin: KafkaAdminClient) -> None:
    """At once, instead of after its session."""
    group = f"{site.prefix}{SERVICE}"
    admin.remove_group_members(group, [MemberToRemove(group_instance_id="0")])
    await poll_until(lambda: admin.describe_groups([group])[group]["group_state"] == "Empty")
