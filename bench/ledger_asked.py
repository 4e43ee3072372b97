"""What the ledger is asked in its benches, and the databases that it is asked over."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg
import msgspec

from services.kit.changes import Changes
from services.kit.clock import SystemClock, record_now
from services.kit.database import service_url, session_settings
from services.kit.ids import uuid7
from services.kit.migrations import migrate
from services.kit.promise.line import Actor, commitment
from services.kit.promise.state import Department, Due, Duty, Kind, Made
from services.promises.ledger.batch import Answer, Asked, thing_of
from services.promises.ledger.domain.commands import Acknowledge, Make
from services.promises.ledger.writer import MOST, Writer

CUSTOMERS = 5000
_DUTIES = (Duty(Department.WAREHOUSE, "pick", "pick_scan", "HDMI-2M"), Duty(Department.DELIVERY, "hand_over", "hand_over_scan", "HDMI-2M"))
_CARE, _WAREHOUSE = Actor("care-7", "care", "phone"), Actor("warehouse", "warehouse", "station")


def commands(count: int) -> list[Asked]:
    """Half of them promise something, the other half acknowledge it, in batches of the one and of the other."""
    ids = [uuid7() for _ in range(count // 2)]
    asked = list[Asked]()
    for at in range(0, len(ids), MOST):
        asked += [make(id) for id in ids[at : at + MOST]] + [_acknowledge(id) for id in ids[at : at + MOST]]
    return asked


def make(id: UUID, **changes: object) -> Asked:
    """Promise a cable, or what the changes make of it."""
    text, salt, now = f"The cable travels with your television, free of charge – {id}.", os.urandom(16), record_now()
    due = Due("2030-11-29", "Europe/Berlin", "weekdays-1", "2026.3", now + timedelta(days=900))
    fact = Made(
        customer_id=UUID(int=id.int % CUSTOMERS), order_id=uuid7(), kind=Kind.GIFT, words=commitment(salt, text), language="en", due=due,
        kept_by="hand_over_scan", quantity=1, amount_minor=0, currency=None, order_minor=None, tariff="t-14", extra=None, cause=None, replaces=None,
        rides_with=None, duties=_DUTIES,
    )  # fmt: skip
    command = Make(replace(fact, **changes), held=True)  # type: ignore[arg-type]  # as they are named
    return Asked(
        "kept:care:promise", f"k-{id}", id, command, _CARE, now, msgspec.json.encode([id, command]), (salt, text), fact.customer_id, os.urandom(16),
        thing_of(command),
    )  # fmt: skip


def _acknowledge(id: UUID) -> Asked:
    command = Acknowledge(Department.WAREHOUSE, seen=False)
    return Asked("kept:warehouse:acknowledge", f"a-{id}", id, command, _WAREHOUSE, record_now(), msgspec.json.encode([id, command]))


async def ask(writer: Writer, asked: Sequence[Asked]) -> None:
    """All of them, in batches, each recorded."""
    for at in range(0, len(asked), MOST):
        answers = await writer.ask_all(asked[at : at + MOST])
        assert all(isinstance(answer, Answer) and answer.receipt and not answer.replayed for answer in answers)


@asynccontextmanager
async def writing(url: str, written: Changes | None = None) -> AsyncIterator[Writer]:
    """A writer that leads, for as long as the block runs."""
    connection = await asyncpg.connect(url, server_settings=session_settings("promises", "ledger"))
    writer = Writer(SystemClock(), written)
    leading = asyncio.create_task(writer.lead(connection))
    while not writer.leads:  # noqa: ASYNC110  # two trips to the database
        await asyncio.sleep(0.001)
    try:
        yield writer
    finally:
        leading.cancel()
        await asyncio.wait({leading})
        await connection.close()


def database(admin: str, name: str, *services: str) -> str:
    """An empty database with the schemas of these services: its address as the administrator's."""

    async def make() -> None:
        connection = await asyncpg.connect(admin)
        await connection.execute(f"drop database if exists {name} with (force)")
        await connection.execute(f"create database {name}")
        await connection.close()

    asyncio.run(make())
    url = urlunsplit(urlsplit(admin)._replace(path=f"/{name}"))
    migrate(url, services)
    return url


async def execute(url: str, statement: str, service: str = "promises") -> None:
    """In this service's schema, as the administrator."""
    connection = await asyncpg.connect(url, server_settings={"search_path": service})
    await connection.execute(statement, timeout=600)
    await connection.close()


def service_of(url: str) -> str:
    """The address that the promises service itself would use."""
    return service_url(url, "promises")
