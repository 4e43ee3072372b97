"""What was set aside, shown to people, and what they do about it: retry it, or drop it with a reason.

A retry sends the very bytes again through the outbox, in the transaction that settles the letter. A failed event goes with everything of its key
that queued behind it, in the order in which it first came.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from services.kit.database import decode_headers


@dataclass(frozen=True, slots=True)
class Letter:
    """One line of the list: where it stood in the log, why it was set aside, what became of it."""

    id: UUID
    topic: str
    partition: int
    offset: int
    type: str
    event_id: UUID | None
    kind: str
    reason: str
    detail: str
    set_aside_at: datetime
    settled_at: datetime | None
    settled_as: str | None
    settled_because: str | None


@dataclass(frozen=True, slots=True)
class Content:
    """The message itself, as it came. It may hold personal data."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class NothingToSettle(Exception):
    """No open letter has one of these ids; one sentence that names them."""


_LIST = """select id, topic, partition, "offset", type, event_id, kind, reason, detail, set_aside_at, settled_at, settled_as, settled_because
from dead_letters where (not %(open)s or settled_at is null) and (%(id)s::uuid is null or id = %(id)s) order by set_aside_at, id limit %(limit)s"""

# A letter, and with one that holds back its key every open letter of that key, in the order in which their events first came.
_RETRY = """
with asked as (select * from dead_letters where id = any(%(ids)s) and settled_at is null),
     chosen as (select d.*, (select min(f."offset") from dead_letters f where f.event_id = d.event_id and f.topic = d.topic) as first_offset
                  from dead_letters d
                 where d.settled_at is null and (d.id in (select id from asked) or d.kind in ('failed', 'behind') and exists (
                       select from asked a where a.kind in ('failed', 'behind') and a.topic = d.topic and a.key = d.key))),
     sent as (insert into outbox (event_id, topic, key, type, payload, headers)
              select coalesce(event_id, id), topic, key, type, value, headers from chosen order by coalesce(first_offset, "offset"), set_aside_at, id)
update dead_letters d set settled_at = clock_timestamp(), settled_as = 'retried', attempts = d.attempts + 1
  from chosen c where d.id = c.id returning d.id"""

_DROP = """update dead_letters set settled_at = clock_timestamp(), settled_as = 'dropped', settled_because = %(reason)s
where id = any(%(ids)s) and settled_at is null returning id"""


def list_letters(url: str, service: str, *, open_only: bool = True, limit: int = 100) -> list[Letter]:
    """Oldest first. `url` is the service's own login, `KitSettings.service_database(service)`."""
    return _letters(url, service, {"open": open_only, "id": None, "limit": limit})


def show(url: str, service: str, id: UUID) -> tuple[Letter, Content]:
    """One letter with its message. Raises KeyError for an unknown id."""
    found = _letters(url, service, {"open": False, "id": id, "limit": 1})
    if not found:
        raise KeyError(id)
    with _connection(url, service) as connection:
        row = connection.execute("select key, value, headers from dead_letters where id = %s", (id,)).fetchone()
    if row is None:
        raise KeyError(id)
    return found[0], Content(row[0], row[1], tuple(decode_headers(row[2])))


def retry(url: str, service: str, ids: Sequence[UUID]) -> list[UUID]:
    """Send these again, and what queued behind them. Returns the letters settled. Raises NothingToSettle unless every id is an open letter."""
    with _connection(url, service) as connection, connection.transaction():
        connection.execute("lock table dead_letters in share row exclusive mode")
        _insist_on_open(connection, ids)
        return [row[0] for row in connection.execute(_RETRY, {"ids": list(ids)})]


def drop(url: str, service: str, ids: Sequence[UUID], reason: str) -> list[UUID]:
    """Give these up, for a reason that is kept. Raises NothingToSettle unless every id is an open letter, ValueError without a reason."""
    if not reason.strip():
        raise ValueError("dropping a letter needs a reason, which is kept with it")
    with _connection(url, service) as connection, connection.transaction():
        _insist_on_open(connection, ids)
        return [row[0] for row in connection.execute(_DROP, {"ids": list(ids), "reason": reason})]


def _insist_on_open(connection: "psycopg.Connection[Any]", ids: Sequence[UUID]) -> None:
    found = connection.execute("select id from dead_letters where id = any(%s) and settled_at is null", (list(ids),)).fetchall()
    missing = set(ids) - {id for (id,) in found}
    if missing or not ids:
        raise NothingToSettle(f"no open dead letter has the id {', '.join(sorted(map(str, missing))) or '(none given)'}")


def _letters(url: str, service: str, parameters: dict[str, Any]) -> list[Letter]:
    with _connection(url, service) as connection, connection.cursor(row_factory=class_row(Letter)) as cursor:
        return cursor.execute(_LIST, parameters).fetchall()


@contextmanager
def _connection(url: str, service: str) -> "Iterator[psycopg.Connection[Any]]":
    with psycopg.connect(url, options=f"-c search_path={service}", autocommit=True) as connection:
        yield connection
