"""A migrated database per test: cloned from a template that is migrated once per run and set of services."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from services.kit.migrations import migrate

SERVICES = Path(__file__).parents[2] / "services"


def migrated_services() -> tuple[str, ...]:
    """Every service that has a revision, in the order of the alphabet."""
    return tuple(sorted({path.parents[1].name for path in SERVICES.glob("*/migrations/*.py") if path.stem[:1].isdigit()}))


class Templates:
    """Migrated databases to clone, one per set of services, made when first asked for."""

    def __init__(self, admin_url: str) -> None:
        self._admin_url, self._made = admin_url, dict[tuple[str, ...], str]()
        self._strategy = sql.SQL(_strategy(admin_url))

    @contextmanager
    def clone(self, services: Sequence[str]) -> Iterator[str]:
        """The administrator's address of a database that holds these services' schemas and is dropped when the block ends."""
        template, name = self._template(tuple(services)), f"kept_test_{secrets.token_hex(6)}"
        self._run(sql.SQL("create database {} template {} strategy {}").format(sql.Identifier(name), sql.Identifier(template), self._strategy))
        try:
            yield _with_database(self._admin_url, name)
        finally:
            self._drop(name)

    def close(self) -> None:
        """Drop the templates."""
        for name in self._made.values():
            self._drop(name)
        self._made.clear()

    def _template(self, services: tuple[str, ...]) -> str:
        if services not in self._made:
            name = f"kept_template_{secrets.token_hex(6)}"
            self._run(sql.SQL("create database {}").format(sql.Identifier(name)))
            self._made[services] = name
            with psycopg.connect(self._admin_url, autocommit=True) as connection:
                # Roles belong to the server: two runs beside each other must not alter the same one at once.
                connection.execute("select pg_advisory_lock(hashtext('kept test templates'))")
                migrate(_with_database(self._admin_url, name), services)
        return self._made[services]

    def _drop(self, name: str) -> None:
        self._run(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._admin_url, autocommit=True) as connection:
            connection.execute(statement)


def _strategy(admin_url: str) -> str:
    """To copy the files takes a third of the time of writing every page to the log, but for the disk, which has to have all of both."""
    with psycopg.connect(admin_url) as connection:
        return "file_copy" if connection.execute("show fsync").fetchone() == ("off",) else "wal_log"


def _with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
