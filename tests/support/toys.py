"""A database with nothing but the kit's tables, and a place to count effects in: for tests of the kit itself."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from services.kit.clock import record_now
from services.kit.database import service_password, service_url
from services.kit.inbox_days import inbox_statements

SERVICE = "toy"


@contextmanager
def toy_database(admin_url: str) -> Iterator[str]:
    """The administrator's address of a database with the schema `toy`; dropped when the block ends."""
    name = f"kept_toy_{secrets.token_hex(6)}"
    url = urlunsplit(urlsplit(admin_url)._replace(path=f"/{name}"))
    with psycopg.connect(admin_url, autocommit=True) as admin:
        # Roles belong to the server: two runs beside each other must not alter the same one at once.
        admin.execute("select pg_advisory_lock(hashtext('kept test templates'))")
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        _create_schema(url)
    try:
        yield url
    finally:
        with psycopg.connect(admin_url, autocommit=True) as admin:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _create_schema(admin_url: str) -> None:
    from services.kit.migrations import ADDED_TABLES, KIT_TABLES  # not above: a toy's process, which makes no tables, starts in half the time

    with psycopg.connect(admin_url, autocommit=True) as admin:
        exists = admin.execute("select 1 from pg_roles where rolname = 'kept_toy'").fetchone()
        verb = sql.SQL("alter role" if exists else "create role")
        admin.execute(sql.SQL("{} kept_toy login password {}").format(verb, sql.Literal(service_password(admin_url, SERVICE))))
        admin.execute("create schema toy authorization kept_toy")
    with psycopg.connect(service_url(admin_url, SERVICE), options="-c search_path=toy") as service:
        for statement in (*KIT_TABLES, *ADDED_TABLES, *inbox_statements(record_now().date(), [])):
            service.execute(statement)
        service.execute("create table counted (event_id uuid not null, n int not null)")
        service.execute("create table chores (event_id uuid not null, fired boolean not null default false, done boolean not null default false)")
