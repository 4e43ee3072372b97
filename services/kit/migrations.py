"""The tables that the kit keeps in every service's schema, and how a service's migrations are run.

A service's first migration calls `create_kit_tables`. `migrate` makes roles and schemas as the administrator, then runs each service's own
revisions (Alembic, one version table per schema) as that service. A service whose login was made by hand is left to that login.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
from alembic import command, op
from alembic.config import Config
from psycopg import sql
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url

from services.kit.clock import record_now
from services.kit.database import service_password, service_url
from services.kit.inbox_days import PARTITIONS, QUEUE, day_of_partition, inbox_statements

KIT_TABLES = (
    # One row per event ever applied; partitioned by the day inside the event's own id, so that a repeated id meets its first row.
    "create table inbox (day date not null, event_id uuid not null, primary key (day, event_id)) partition by range (day)",
    f"create table inbox_default partition of inbox default {QUEUE}",
    # What was said and is not yet acknowledged by the broker; the relay deletes. A retried dead letter may have no key or no value.
    f"""create table outbox (
        id bigint generated always as identity primary key, event_id uuid not null, topic text not null, key bytea, type text not null,
        payload bytea, headers bytea not null, created_at timestamptz not null default clock_timestamp()) {QUEUE}""",
    """create table dead_letters (
        id uuid primary key, topic text not null, partition int not null, "offset" bigint not null, key bytea, type text not null, event_id uuid,
        kind text not null check (kind in ('unreadable', 'refused', 'failed', 'behind')), reason text not null, detail text not null,
        value bytea, headers bytea not null, attempts int not null default 0, set_aside_at timestamptz not null default clock_timestamp(),
        settled_at timestamptz, settled_as text check (settled_as in ('retried', 'dropped')), settled_because text, returned_at timestamptz,
        unique (topic, partition, "offset"), check ((settled_at is null) = (settled_as is null)))""",
    # A failed event holds back the later ones of its key, until it was dropped, or was retried and has come back.
    """create index dead_letters_holding on dead_letters (topic, key)
        where kind in ('failed', 'behind') and returned_at is null and settled_as is distinct from 'dropped'""",
    # Written before a batch is handled, deleted with its commit: what is left after a crash says what may have killed the process.
    """create table attempts (
        topic text not null, partition int not null, first_offset bigint not null, last_offset bigint not null, count int not null,
        primary key (topic, partition, first_offset, last_offset))""",
    # The answer given to a command, by the caller's key.
    """create table idempotency_keys (
        scope text not null, key text not null, fingerprint bytea not null, status int not null, headers jsonb not null, body bytea not null,
        created_at timestamptz not null default clock_timestamp(), primary key (scope, key))""",
)

ADDED_TABLES = (
    # Wrong tries at secrets, for all processes of the service. Unlogged: a crash of the database may forget them.
    """create unlogged table if not exists guesses (
        purpose text not null, key bytea not null, ends_at timestamptz not null, count int not null, primary key (purpose, key))""",
    "create index if not exists guesses_ends_at on guesses (ends_at)",
    # Whose tokens are not taken any more, by those issued before when.
    "create table if not exists revocations (subject text primary key, not_before timestamptz not null)",
)
"""What came after the first databases were made: `migrate` makes what is missing, in old schemas and new ones alike."""


_MARKED = """
select 'table', relname, '' from pg_class join pg_roles owner on owner.oid = relowner
where relnamespace = %(schema)s::regnamespace and relkind = 'r' and obj_description(pg_class.oid, 'pg_class') = 'append-only' and rolname <> %(owner)s
union all
select 'function', proname, '()' from pg_proc join pg_roles owner on owner.oid = proowner
where pronamespace = %(schema)s::regnamespace and obj_description(pg_proc.oid, 'pg_proc') = 'append-only' and rolname <> %(owner)s"""
"""Tables and triggers' functions that a revision marked as append-only, and that were not handed over."""


def create_kit_tables() -> None:
    """Called by the first revision of every service."""
    for statement in KIT_TABLES:
        op.execute(statement)


def migrate(admin_url: str, services: Sequence[str], logins: Mapping[str, str] = MappingProxyType({})) -> None:
    """Bring every service's schema to its newest revision. May run twice, and beside itself (an advisory lock lets one go first).

    `logins` are the addresses of services with a login of their own: the administrator is not asked about these.
    Raises PermissionError, in one sentence, where a role may not do what it must.
    """
    for service, url in ((each, logins[each]) for each in services if each in logins):
        with _locked(url) as connection:
            _require_schema(connection, service)
            _upgrade(url, service)
    ours = [service for service in services if service not in logins]
    if not ours:
        return
    with _locked(admin_url) as connection:
        for service in ours:
            _prepare_schema(connection, admin_url, service)
        for service in ours:
            _upgrade(service_url(admin_url, service), service)
            _hand_over(connection, service)


@contextmanager
def _locked(url: str) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(hashtext('kept migrate'))")
        yield connection


def _require_schema(connection: "psycopg.Connection[tuple[Any, ...]]", service: str) -> None:
    """The schema, for a role that was made by hand: there already, or made now where the role may."""
    role, schema = connection.info.user, sql.Identifier(service)
    found = connection.execute("select has_schema_privilege(oid, 'create') from pg_namespace where nspname = %s", (service,)).fetchone()
    if found is None:
        try:
            connection.execute(sql.SQL("create schema {}").format(schema))
        except psycopg.errors.InsufficientPrivilege:
            raise _may_not(role, service, "create its schema", f"create schema {service} authorization {role}") from None
    elif not found[0]:
        raise _may_not(role, service, "create tables in its schema", f"alter schema {service} owner to {role}")


def _may_not(role: str, service: str, what: str, instead: str) -> PermissionError:
    return PermissionError(f"the role {role} of KEPT_{service.upper()}_DATABASE_URL may not {what}: as an administrator run `{instead}`")


def _prepare_schema(connection: "psycopg.Connection[tuple[Any, ...]]", admin_url: str, service: str) -> None:
    role, schema = sql.Identifier(f"kept_{service}"), sql.Identifier(service)
    password = sql.Literal(service_password(admin_url, service))
    try:
        exists = connection.execute("select 1 from pg_roles where rolname = %s", (f"kept_{service}",)).fetchone()
        verb = sql.SQL("alter role" if exists else "create role")
        connection.execute(sql.SQL("{} {} login password {}").format(verb, role, password))
        connection.execute(sql.SQL("grant {} to current_user").format(role))
        connection.execute(sql.SQL("create schema if not exists {} authorization {}").format(schema, role))
    except psycopg.errors.InsufficientPrivilege:
        raise PermissionError(
            f"the role of DATABASE_URL may not create the role kept_{service}: create it with its schema, and set KEPT_{service.upper()}_DATABASE_URL"
        ) from None


def _hand_over(connection: "psycopg.Connection[tuple[Any, ...]]", service: str) -> None:
    """What a revision marked as append-only belongs to a role that cannot log in, from then on: the service selects and inserts, and can neither
    drop the triggers that refuse the rest nor give itself the right to it."""
    owner, role, schema = sql.Identifier(f"kept_{service}_owner"), sql.Identifier(f"kept_{service}"), sql.Identifier(service)
    marked = connection.execute(_MARKED, {"schema": service, "owner": f"kept_{service}_owner"}).fetchall()
    if not marked:
        return
    if not connection.execute("select 1 from pg_roles where rolname = %s", (f"kept_{service}_owner",)).fetchone():
        connection.execute(sql.SQL("create role {} nologin").format(owner))
    connection.execute(sql.SQL("grant {} to current_user").format(owner))
    with connection.transaction():
        connection.execute(sql.SQL("alter schema {} owner to {}").format(schema, owner))  # who owns a schema may drop what is in it
        connection.execute(sql.SQL("grant usage, create on schema {} to {}").format(schema, role))
        for kind, name, signature in marked:
            what = sql.SQL("{}.{}{}").format(schema, sql.Identifier(name), sql.SQL(signature))
            connection.execute(sql.SQL("alter {} {} owner to {}").format(sql.SQL(kind), what, owner))
            if kind == "table":
                connection.execute(sql.SQL("revoke all on {} from public, {}").format(what, role))
                connection.execute(sql.SQL("grant select, insert on {} to {}").format(what, role))


def _upgrade(url: str, service: str) -> None:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), connect_args={"options": f"-c search_path={service}"})
    try:
        with engine.begin() as connection:
            command.upgrade(_config(service, connection), "head")
            present = [day_of_partition(name) for (name,) in connection.execute(text(PARTITIONS))]
            for statement in (*ADDED_TABLES, *inbox_statements(record_now().date(), present)):
                connection.execute(text(statement))
    finally:
        engine.dispose()


def _config(service: str, connection: Connection) -> Config:
    root = Path(__file__).parents[1]
    config = Config()
    config.set_main_option("script_location", str(root / "kit" / "alembic"))
    config.set_main_option("version_locations", str(root / service / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
