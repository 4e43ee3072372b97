"""One transaction holds the inbox rows, the state, and what is said about it: all of them, or none.

A `Transaction` is the unit of work of a batch of events and of a command by HTTP alike. Stores write through `connection`; what is to be
announced goes through `say`; both commit together. Nothing here sends to Kafka: the relay does, after the commit.
"""

import hashlib
import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import UUID

import asyncpg
import msgspec

from services.kit.clock import Clock
from services.kit.envelope import encode_data, headers_of
from services.kit.failpoints import ARMED, hit
from services.kit.ids import uuid7
from services.kit.together import Query, execute_together, fetch_together
from services.kit.trace import child_of
from services.kit.values import Cause, Heard

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[tuple[str, bytes | None]]).decode
LARGEST_EVENT = 900_000
"""Bytes of one event's value: below what a topic takes (1 MiB), headers and key included."""

_TIMEOUTS = {"statement_timeout": "10s", "lock_timeout": "3s", "idle_in_transaction_session_timeout": "30s"}

_PLANS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "random_page_cost": "1.1"}
"""Statements here take whole batches as arrays: PostgreSQL cannot know their length beforehand, so it would plan every one anew, each time. A plan is
made once, then, often while the table is still empty: by key, since it would go on reading the whole table when that has grown."""

_OUTBOX = ("event_id", "topic", "key", "type", "payload", "headers")
_SAY_FEW = """
insert into outbox (event_id, topic, key, type, payload, headers)
select * from unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::bytea[], $6::bytea[])"""
_FEW = 50
"""So many events go along with the other writes; more go faster by COPY, which is a trip of its own."""

_NOTIFY = "select set_config('synchronous_commit', 'off', true), pg_notify($1, '')"
"""A transaction of its own, which PostgreSQL would else write to disk: should it get lost, the relay looks a second later."""

_INSERT_DEAD = """
insert into dead_letters (id, topic, partition, "offset", key, type, event_id, kind, reason, detail, value, headers)
select * from unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[], $5::bytea[], $6::text[], $7::uuid[], $8::text[], $9::text[], $10::text[],
                     $11::bytea[], $12::bytea[])
on conflict (topic, partition, "offset") do nothing"""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A readable event that a handler refuses: `reason` is a stable slug, `detail` one sentence without personal data."""

    event_id: UUID
    reason: str
    detail: str


@dataclass(slots=True)
class Transaction:
    """One unit of work of one service. `now` is the business instant, the same for everything decided in it."""

    connection: "asyncpg.Connection[asyncpg.Record]"
    now: datetime
    source: str
    refused: list[SetAside] = field(default_factory=list)
    letters: "Callable[[UUID], DeadLetter] | None" = None
    """Set by the consume loop: the message behind an event of this batch."""
    _said: list[tuple[UUID, str, bytes, str, bytes, bytes]] = field(default_factory=list)
    """Rows of the outbox, its columns in the order of `_OUTBOX`."""
    _writes: list[Query] = field(default_factory=list)

    def say(self, topic: str, type: str, data: object, *, key: str, cause: Cause, version: int, at: datetime | None = None) -> UUID:
        """Announce an event: it is on its way once the transaction commits. Returns the event's id.

        `key` is the aggregate's id: the partition key and the CloudEvents subject. `version` is the aggregate's new version. `at` is when it
        became true, `now` where nothing is given.
        """
        id = uuid7()
        trace = child_of(cause.traceparent)
        headers = headers_of(id=id, type=type, source=self.source, subject=key, time=at or self.now, version=version, cause=cause, traceparent=trace)
        value = encode_data(data)
        if len(value) > LARGEST_EVENT:
            raise ValueError(f"the data of {type} {key} has {len(value)} bytes; an event holds at most {LARGEST_EVENT}")
        self._said.append((id, topic, key.encode(), type, value, encode_headers(headers)))
        return id

    def set_aside(self, heard: Heard[Any], reason: str, detail: str) -> None:
        """Put this event among the dead letters, with its reason, and go on: a refusal by state (an unknown order, another body) that
        a retry will not mend by itself. The consume loop writes it in this transaction with the message's bytes."""
        self.refused.append(SetAside(heard.id, reason, detail))

    def letter_of(self, heard: Heard[Any]) -> "DeadLetter":
        """The message behind this event of the batch as a dead letter without a reason, for an event that waits before it is refused: keep it,
        and hand it to `services.kit.inbox.bury_late` with its reason when what it waits for has not come."""
        assert self.letters is not None, "only a batch that was consumed has messages"
        return self.letters(heard.id)

    @property
    def says(self) -> int:
        """How many events wait for the commit."""
        return len(self._said)

    def write(self, statement: str, *arguments: object) -> None:
        """Queue a write: all of them go in one round trip right before the commit. Each on rows of its own: of two
        updates of one row PostgreSQL does one (`services.kit.together`)."""
        self._writes.append((statement, arguments))

    async def read(self, *queries: Query) -> list[list[dict[str, Any]]]:
        """The rows of each query, all in one round trip (`services.kit.together`). Sees nothing of what is queued by `write`."""
        return await fetch_together(self.connection, *queries)

    async def write_now(self) -> None:
        """Run what is queued so far, for a statement that builds on it."""
        queued, self._writes = self._writes, []
        await execute_together(self.connection, queued)

    async def flush(self) -> None:
        """Write what was queued, and what was said in the order it was said. Called once, right before the commit."""
        few = len(self._said) <= _FEW
        along = [(_SAY_FEW, [list(column) for column in zip(*self._said, strict=True)])] if self._said and few else []
        await execute_together(self.connection, [*self._writes, *along])
        if not few:
            await self.connection.copy_records_to_table("outbox", records=self._said, columns=_OUTBOX)


class Database:
    """A service's own schema in PostgreSQL, through its own role."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", service: str, clock: Clock, wake_relay: Callable[[], bool] = lambda: False) -> None:
        self.pool, self.service, self.clock, self._wake_relay = pool, service, clock, wake_relay

    @classmethod
    async def connect(
        cls, url: str, service: str, clock: Clock, *, size: int = 3, wake_relay: Callable[[], bool] = lambda: False, process: str = "api"
    ) -> "Database":
        """A pool of up to `size` connections. Raises OSError or asyncpg.PostgresError when the server cannot be reached.

        `wake_relay` is called after a commit that said something, and tells whether the relay runs in this process.
        """
        settings = session_settings(service, process)
        pool = await asyncpg.create_pool(
            url, min_size=1, max_size=size, server_settings=settings, init=_teach_json, reset=_as_it_is, max_cacheable_statement_size=0
        )
        return cls(pool, service, clock, wake_relay)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commit when the block ends, roll back when it raises. The relay is woken when something was said, wherever it runs."""
        async with self.pool.acquire() as connection:
            async with connection.transaction():
                work = Transaction(connection, self.clock.now(), f"/kept/{self.service}")
                yield work
                await work.flush()
                if ARMED and work.says:
                    hit("outbox.inserted")
            if ARMED:
                hit("transaction.committed")
            if work.says and not self._wake_relay():
                with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):  # it is committed: the relay finds it a second later
                    await connection.execute(_NOTIFY, said_channel(self.service))

    async def close(self) -> None:
        await self.pool.close()


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that was set aside. `kind`: `unreadable`, `refused` (by the state), `failed` (a bug in the handler), `behind` (a later event of a
    key whose earlier one failed: both wait, so that a retry runs them in order). Only `failed` and `behind` hold back what follows."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    type: str
    event_id: UUID | None
    kind: str
    reason: str
    detail: str
    value: bytes | None
    headers: bytes


def said_channel(service: str) -> str:
    """Where a process without the relay tells the one that has it of new rows in the outbox."""
    return f"kept_{service}_said"


async def bury(connection: "asyncpg.Connection[asyncpg.Record]", letters: Sequence[DeadLetter]) -> None:
    """Write dead letters, once per topic, partition and offset, with the bytes as they came."""
    rows = [(uuid7(), d.topic, d.partition, d.offset, d.key, d.type, d.event_id, d.kind, d.reason, d.detail, d.value, d.headers) for d in letters]
    if rows:
        await connection.execute(_INSERT_DEAD, *(list(column) for column in zip(*rows, strict=True)))


def encode_headers(headers: Sequence[tuple[str, bytes | None]]) -> bytes:
    """Kafka headers as one column (MessagePack: names are text, values are bytes of any kind)."""
    return _pack(headers)


def decode_headers(column: bytes) -> list[tuple[str, bytes | None]]:
    """The inverse of `encode_headers`."""
    return _unpack(column)


def session_settings(service: str, process: str) -> dict[str, str]:
    """What every connection of a service sets: limits on waiting, the service's schema, its name in the server's views."""
    return {**_TIMEOUTS, **_PLANS, "search_path": service, "application_name": f"{service}.{process}", "timezone": "UTC"}


def service_url(admin_url: str, service: str) -> str:
    """The service's own login on the server that `admin_url` names: role `kept_<service>`, a password derived from the administrator's."""
    parts = urlsplit(admin_url)
    host = f"{parts.hostname}:{parts.port}" if parts.port else f"{parts.hostname}"
    return urlunsplit(parts._replace(netloc=f"kept_{service}:{quote(service_password(admin_url, service))}@{host}"))


def service_password(admin_url: str, service: str) -> str:
    """Derived, so that nothing has to be stored: whoever holds the administrator's login could set it anyway."""
    secret = urlsplit(admin_url).password or ""
    return hmac.new(secret.encode(), f"kept role {service}".encode(), hashlib.sha256).hexdigest()


async def _teach_json(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """jsonb columns read and write Python values (asyncpg alone hands out text)."""
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_json_text, decoder=msgspec.json.decode)


async def _as_it_is(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Instead of asyncpg's own round trip after every use: nothing here leaves anything in a session (settings and locks end with their
    transaction, and an open transaction is rolled back before this)."""


def _json_text(value: object) -> str:
    return msgspec.json.encode(value).decode()
