"""Commands to the ledger as its callers send them, for tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.kit.canonical import canonical
from services.kit.ids import uuid7
from services.kit.promise.line import Actor, commitment
from services.kit.promise.state import Department, Due, Duty, Evidenced, Kind, Made, Risk
from services.promises.ledger.batch import Asked, AskedErasure, thing_of
from services.promises.ledger.domain.commands import Acknowledge, Break, Command, Make, PutAtRisk, Release, ShowEvidence, Tell, Void

NOW = datetime(2026, 11, 25, 9, 12, tzinfo=UTC)
DUE_AT = datetime(2026, 11, 27, 22, 59, 59, tzinfo=UTC)
CUSTOMER = UUID("019ab2c4-7d11-7a20-8b1e-5c9e44d0aa02")
ORDER = UUID("019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a01")
AGENT = Actor("care-7", "care", "phone")
SALT = bytes(range(16))
WORDS = "The 2 m HDMI cable travels with your television, free of charge – on Friday 27 November."

PICK = Duty(Department.WAREHOUSE, "pick", "pick_scan", sku="HDMI-2M")
HAND_OVER = Duty(Department.DELIVERY, "hand_over", "hand_over_scan", sku="HDMI-2M")
MADE = Made(
    customer_id=CUSTOMER, order_id=ORDER, kind=Kind.GIFT, words=commitment(SALT, WORDS), language="en",
    due=Due("2026-11-27", "Europe/Berlin", "weekdays-1", "2026.3", DUE_AT), kept_by="hand_over_scan", quantity=1, amount_minor=0, currency=None,
    order_minor=None, tariff="t-14", extra=None, cause=None, replaces=None, rides_with=None, duties=(PICK, HAND_OVER),
)  # fmt: skip


def asked(command: Command, promise_id: UUID, key: str | None = None, **more: Any) -> Asked:
    """The command as it comes; its key is new where none is given."""
    department = more.pop("department", "care")
    told = canonical([type(command).__name__, promise_id, command, more.get("if_match")])
    actor = replace(AGENT, department=department)
    return Asked(f"kept:{department}:{type(command).__name__}", key or str(uuid7()), promise_id, command, actor, NOW, told, **more)


def make(promise_id: UUID | None = None, key: str | None = None, distinct_from: UUID | None = None, **changes: Any) -> Asked:
    """Promise the cable, or what `changes` make of it."""
    command = Make(replace(MADE, **changes), held=True)
    fact = command.made
    return asked(
        command, promise_id or uuid7(), key, words=(SALT, WORDS), customer_id=fact.customer_id, customer_salt=b"salt of " + fact.customer_id.bytes,
        thing=thing_of(command), distinct_from=distinct_from,
    )  # fmt: skip


def handed_over(promise_id: UUID, at: datetime = NOW, quantity: int = 1, **more: Any) -> Asked:
    evidence = Evidenced("hand_over_scan", f"scan-{at.isoformat()}", quantity, at)
    return asked(ShowEvidence(evidence), promise_id, department="delivery", **more)


def acknowledged(promise_id: UUID, department: Department = Department.WAREHOUSE, *, seen: bool = False) -> Asked:
    return asked(Acknowledge(department, seen), promise_id, department=department.value)


def broken(promise_id: UUID) -> Asked:
    return asked(Break(), promise_id, f"due|{promise_id}", department="ledger")


def released(promise_id: UUID, **more: Any) -> Asked:
    return asked(Release(commitment(SALT, "on the phone"), asked_by_us=False), promise_id, words=(SALT, "on the phone"), **more)


def voided(promise_id: UUID, **more: Any) -> Asked:
    return asked(Void(commitment(SALT, "typed twice")), promise_id, words=(SALT, "typed twice"), **more)


def told(promise_id: UUID) -> Asked:
    return asked(Tell("mail"), promise_id, department="messages")


def at_risk(promise_id: UUID, reason: Risk = Risk.SHORT, *, raised: bool = True) -> Asked:
    return asked(PutAtRisk(reason, raised), promise_id, department="warehouse")


def erasure(customer_id: UUID = CUSTOMER, key: str | None = None) -> AskedErasure:
    return AskedErasure("kept:admin:erase", key or str(uuid7()), customer_id, AGENT, NOW)


AFTER_DUE = DUE_AT + timedelta(minutes=30, seconds=1)
"""Past the time that a driver's scan may take to arrive."""
