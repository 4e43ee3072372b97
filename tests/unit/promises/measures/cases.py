"""Promises and contacts as the measures take them, for tests. Names stand for ids: the same name is the same id."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.kit.ids import named_uuid
from services.kit.promise.state import Due, Promise, Standing, Verdict
from services.promises.measures.contacts import Contact, Demand
from services.promises.measures.spans import Span
from tests.unit.promises.ledger.asking import MADE


def id_of(name: str) -> UUID:
    return named_uuid("measures", name)


def at(text: str) -> datetime:
    """`2026-05-04 18:00`, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def span(day: str, begins: str, ends: str) -> Span:
    return Span(at(f"{day} {begins}"), at(f"{day} {ends}"))


def promise(name: str, due: str, verdict: Verdict = Verdict.OPEN, settled: str = "", replaces: str = "", **said: Any) -> Promise:
    """Due and settled at these instants, UTC. Where nothing else is said, a gift, with duties of warehouse and delivery."""
    made = replace(MADE, due=Due(due, "UTC", "", "", at(due)), replaces=id_of(replaces) if replaces else None, **said)
    return Promise(id_of(name), 1, made, Standing(verdict, at(settled) if settled else None))


def contact(name: str, when: str, customer: str = "Ann", order: str = "7KQ4", **more: Any) -> Contact:
    values = {"subject": "where-is-it", "channel": "phone", "demand": Demand.VALUE} | more
    return Contact(contact_id=id_of(name), customer_id=id_of(customer), order_id=id_of(order) if order else None, at=at(when), **values)


def ids(names: Sequence[str]) -> set[UUID]:
    return {id_of(name) for name in names}
