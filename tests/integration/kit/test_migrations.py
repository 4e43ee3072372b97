"""Roles, schemas and revisions on a real PostgreSQL."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from services.kit import cli, migrations
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
    assert {"inbox", "outbox", "dead_letters", "attempts", "idempotency_keys", "guesses", "alembic_version"} <= before


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


def test_a_service_whose_login_is_given_is_migrated_through_it(powerless: str, database_url: str, services: tuple[str, ...]) -> None:
    """DATABASE_URL's role may do nothing here; the service's own, made by hand, owns its schema."""
    service = services[0]
    own = _hand_over(database_url, powerless, f"drop schema {service} cascade; create schema {service} authorization {{}}")
    for _ in range(2):
        migrations.migrate("postgresql://nobody:x@127.0.0.1:1/none", services, {service: own})
    assert {"inbox", "outbox", "alembic_version"} <= _tables(database_url, service)
    with psycopg.connect(database_url) as admin:
        owner = admin.execute("select tableowner from pg_tables where schemaname = %s and tablename = 'outbox'", (service,)).fetchone()
    assert owner == (urlsplit(own).username,)


def test_a_given_login_makes_its_schema_where_it_may(powerless: str, database_url: str, services: tuple[str, ...]) -> None:
    service, database = services[0], urlsplit(database_url).path[1:]
    own = _hand_over(database_url, powerless, f"drop schema {service} cascade; grant create on database {database} to {{}}")
    migrations.migrate(database_url, services, {service: own})
    assert "outbox" in _tables(database_url, service)


@pytest.mark.parametrize("there", [True, False])
def test_a_given_login_that_may_not_is_told_what_to_do(there: bool, powerless: str, database_url: str, services: tuple[str, ...]) -> None:
    service, role = services[0], urlsplit(powerless).username
    if not there:
        _hand_over(database_url, powerless, f"drop schema {service} cascade")
    whole = f"the role {role} of KEPT_{service.upper()}_DATABASE_URL may not create .*: as an administrator run `.*schema {service} .*{role}`"
    with pytest.raises(PermissionError, match=whole):
        migrations.migrate(database_url, services, {service: powerless})


def test_the_command_takes_a_given_login(
    powerless: str, database_url: str, services: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    service = services[0]
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KEPT_VAR", str(tmp_path))
    monkeypatch.setenv(f"KEPT_{service.upper()}_DATABASE_URL", powerless)
    assert cli.run(["migrate", "--service", service]) == 1
    assert f"KEPT_{service.upper()}_DATABASE_URL may not create" in capsys.readouterr().err
    _hand_over(database_url, powerless, f"drop schema {service} cascade; create schema {service} authorization {{}}")
    assert cli.run(["migrate", "--service", service]) == 0


def test_the_inbox_has_a_partition_for_every_day_to_come(database_url: str, services: tuple[str, ...]) -> None:
    today = record_now().date()
    days = {name for name in _tables(database_url, services[0]) if name.startswith("inbox_2")}
    assert f"inbox_{today:%Y%m%d}" in days
    assert len(days) == 9


def _hand_over(admin_url: str, login: str, statements: str) -> str:
    """The login again, once the administrator has run the statements, which name its role as {}."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(statements.format(urlsplit(login).username).encode())
    return login


def _tables(url: str, schema: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute("select tablename from pg_tables where schemaname = %s", (schema,))}
