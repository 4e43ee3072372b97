"""Roles, schemas and revisions on a real PostgreSQL."""

import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from services.kit import migrations
from services.kit.clock import record_now
from services.kit.database import service_url
from tests.support.databases import migrated_services


@pytest.fixture
def services() -> tuple[str, ...]:
    return migrated_services()[:1] or pytest.skip("no service has migrations yet")


@pytest.fixture
def powerless(database_url: str) -> Iterator[str]:
    """A login on the same database that may not create roles."""
    name = f"plain_{secrets.token_hex(4)}"
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(sql.SQL("create role {} login password 'plain'").format(sql.Identifier(name)))
        parts = urlsplit(database_url)
        yield urlunsplit(parts._replace(netloc=f"{name}:plain@{parts.hostname}:{parts.port}"))
        admin.execute(sql.SQL("drop owned by {}").format(sql.Identifier(name)))
        admin.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def test_migrating_twice_changes_nothing(database_url: str, services: tuple[str, ...]) -> None:
    before = _tables(database_url, services[0])
    migrations.migrate(database_url, services)
    assert _tables(database_url, services[0]) == before
    assert {"inbox", "outbox", "dead_letters", "attempts", "idempotency_keys", "alembic_version"} <= before


def test_a_service_logs_in_as_itself_and_sees_its_own_schema_only(database_url: str, services: tuple[str, ...]) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("create schema elsewhere; create table elsewhere.things (id int)")
    with psycopg.connect(service_url(database_url, services[0]), options=f"-c search_path={services[0]}") as service:
        assert service.execute("select count(*) from outbox").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            service.execute("select * from elsewhere.things")


def test_an_administrator_who_may_not_create_roles_is_told_what_to_set(powerless: str) -> None:
    with pytest.raises(PermissionError, match=r"may not create the role kept_toy_\w+: .* set KEPT_TOY_\w+_DATABASE_URL"):
        migrations.migrate(powerless, [f"toy_{secrets.token_hex(3)}"])


def test_the_inbox_has_a_partition_for_every_day_to_come(database_url: str, services: tuple[str, ...]) -> None:
    today = record_now().date()
    days = {name for name in _tables(database_url, services[0]) if name.startswith("inbox_2")}
    assert f"inbox_{today:%Y%m%d}" in days
    assert len(days) == 9


def _tables(url: str, schema: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute("select tablename from pg_tables where schemaname = %s", (schema,))}
