"""The command on real servers."""

import asyncio
import json
import re
import secrets
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from services.kit import cli
from services.kit.database import encode_headers, service_url
from services.kit.ids import uuid7
from services.kit.ops import Operations, listen
from services.kit.topics import remove
from tests.support.databases import migrated_services


@pytest.fixture
def service() -> str:
    return migrated_services()[0]


@pytest.fixture
def stack(database_url: str, kafka: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("KEPT_VAR", str(tmp_path))


def _bury(database_url: str, service: str) -> UUID:
    id = uuid7()
    with psycopg.connect(service_url(database_url, service), options=f"-c search_path={service}", autocommit=True) as connection:
        connection.execute(
            """insert into dead_letters (id, topic, partition, "offset", key, type, kind, reason, detail, value, headers)
            values (%s, 'storefront.order.v1', 0, 7, 'k', '', 'unreadable', 'no-type', 'the attribute ce_type is missing', '\\xff00', %s)""",
            (id, encode_headers([("ce_id", b"1")])),
        )
    return id


def test_dead_letters_are_listed_shown_retried_and_dropped(stack: None, database_url: str, service: str, capsys: pytest.CaptureFixture[str]) -> None:
    id = _bury(database_url, service)
    assert cli.run(["dead-letters", "list"]) == 0
    listed = capsys.readouterr().out
    assert f"{id}" in listed and "no-type" in listed and "1 dead letter open." in listed
    assert cli.run(["dead-letters", "show", str(id), "--service", service]) == 0
    assert '"value"' not in capsys.readouterr().out
    assert cli.run(["dead-letters", "show", str(id), "--service", service, "--message"]) == 0
    assert '"value": "\\\\xff\\u0000"' in capsys.readouterr().out
    assert cli.run(["dead-letters", "drop", "--service", service, "--reason", "rubbish", str(id)]) == 0
    capsys.readouterr()
    assert cli.run(["dead-letters", "retry", "--service", service, str(id)]) == 1
    assert str(id) in capsys.readouterr().err
    assert cli.run(["dead-letters", "list"]) == 0
    assert "No dead letters" in capsys.readouterr().out


def test_topics_are_applied_once_and_nobody_is_behind(
    stack: None, kafka: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = f"t{secrets.token_hex(4)}."
    monkeypatch.setenv("KEPT_TOPIC_PREFIX", prefix)
    try:
        assert cli.run(["topics", "apply"]) == 0
        assert f"{prefix}orders.order.v1: created" in capsys.readouterr().out
        assert cli.run(["topics", "apply"]) == 0
        assert "Kafka agrees" in capsys.readouterr().out
        assert cli.run(["lag"]) == 0
        assert "nothing acknowledged yet" in capsys.readouterr().out
    finally:
        remove(kafka, prefix)


def test_migrating_again_changes_nothing(stack: None, service: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["migrate", "--service", service]) == 0
    assert f"Up to date: {service}." in capsys.readouterr().out


async def _progress() -> dict[str, Any]:
    return {}


async def test_the_status_of_a_running_stack_names_what_is_wrong(
    stack: None, database_url: str, service: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong: list[str | None] = [None]

    async def ready() -> str | None:
        return wrong[0]

    async with listen(Operations(ready=ready, progress=_progress), "127.0.0.1", 0) as port:
        at = f"http://127.0.0.1:{port}/readyz"
        told = {"kafka": "", "database": "", "services": {service: {"health": at, "worker": {"health": at}}}}
        (tmp_path / "stack.json").write_text(json.dumps(told))
        assert await asyncio.to_thread(cli.run, ["status"]) == 0
        assert re.search(rf"{service} +ok +ok +0 s +0 +0\n", capsys.readouterr().out)
        _bury(database_url, service)
        wrong[0] = "starting"
        assert await asyncio.to_thread(cli.run, ["status"]) == 1
        assert re.search(rf"{service} +starting +starting +0 s +1 +0\n", capsys.readouterr().out)
    assert await asyncio.to_thread(cli.run, ["status"]) == 1
    assert "does not answer" in capsys.readouterr().out
