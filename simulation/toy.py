"""Two small services, one after the other, whose every mistake shows: `till` counts and keeps accounts, `book` writes down what till says.

till hears Paid (account, amount): one row in `counted` per event, with no key that would hide a second one; the account's balance and version rise.
It says Booked with the account's version. book hears Booked and appends it to the account's page, in the order in which it comes.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.kit.database import Transaction
from services.kit.stage import Stage
from services.kit.values import Heard
from simulation.postgres import Session
from simulation.process import HOST
from simulation.statements import STATEMENTS, Row

PAID, BOOKED = "shop.Paid.v1", "till.Booked.v1"
PAID_TOPIC, BOOKED_TOPIC = "shop.paid.v1", "till.booked.v1"


@dataclass(frozen=True, slots=True)
class Paid:
    """`behaviour`: count | refuse | fail | die."""

    account: str
    amount: int
    behaviour: str = "count"


@dataclass(frozen=True, slots=True)
class Booked:
    account: str
    amount: int
    balance: int


async def _accounts(to: Session, names: Sequence[str]) -> list[Row]:
    await to.lock("accounts", names)
    return [Row(name=name, row=to.get("accounts", name) or (0, 0)) for name in names]


async def _keep(to: Session, accounts: Sequence[tuple[str, tuple[int, int]]], counted: Sequence[tuple[Any, int]]) -> list[Row]:
    for name, row in accounts:
        await to.put("accounts", name, row)
    for id, amount in counted:
        await to.put("counted", to.server.draw(), (id, amount))
    return []


async def _write_down(to: Session, lines: Sequence[tuple[str, int, int]]) -> list[Row]:
    for account, version, balance in lines:
        await to.put("lines", to.server.draw(), (account, version, balance))
    return []


STATEMENTS |= {"accounts": _accounts, "keep": _keep, "write down": _write_down}


async def keep_till(work: Transaction, batch: Sequence[Heard[Paid]]) -> None:
    """The accounts of a batch are locked in one order."""
    names = sorted({heard.data.account for heard in batch})
    accounts = {row["name"]: row["row"] for row in await work.connection.fetch("accounts", names)}
    counted = []
    for heard in batch:
        paid = heard.data
        if paid.behaviour == "die":
            HOST.get().kill()
            await asyncio.sleep(0)
        if paid.behaviour == "fail":
            raise RuntimeError("fails whenever it is handled")
        if paid.behaviour == "refuse":
            work.set_aside(heard, "refused", "It is refused whenever it is handled.")
            continue
        balance, version = accounts[paid.account]
        accounts[paid.account] = balance + paid.amount, version + 1
        counted.append((heard.id, paid.amount))
        booked = Booked(paid.account, paid.amount, balance + paid.amount)
        work.say(BOOKED_TOPIC, BOOKED, booked, key=paid.account, cause=heard.cause, version=version + 1)
    work.write("keep", sorted(accounts.items()), counted)


async def keep_book(work: Transaction, batch: Sequence[Heard[Booked]]) -> None:
    await work.connection.execute("write down", [(heard.data.account, heard.version, heard.data.balance) for heard in batch])


STAGES = (Stage("till", (PAID_TOPIC,), {PAID: Paid}, keep_till), Stage("book", (BOOKED_TOPIC,), {BOOKED: Booked}, keep_book))
