"""Two small services, one after the other, whose every mistake shows: `till` counts and keeps accounts, `book` writes down what till says.

till hears Paid (account, amount): one row in `counted` per event, with no key that would hide a second one; the account's balance and version rise.
It says Booked with the account's version. book hears Booked and appends it to the account's page, in the order in which it comes.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from services.kit.database import Transaction
from services.kit.envelope import encode_data
from services.kit.ids import uuid7
from services.kit.stage import Stage, Timer
from services.kit.values import Heard
from simulation.checks import BOOKED_TOPIC, PAID_TOPIC, violations
from simulation.databases import FakeDatabases
from simulation.kafka import event
from simulation.postgres import Session
from simulation.process import HOST
from simulation.scenario import Violation
from simulation.statements import STATEMENTS, Row

if TYPE_CHECKING:
    from simulation.world import World

PAID, BOOKED = "shop.Paid.v1", "till.Booked.v1"


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


class Till:
    """The two services, and a shop that pays: some events twice, some that are refused, fail or kill, some that cannot be read."""

    workers: Sequence[tuple[Stage, Sequence[Timer]]] = (
        (Stage("till", (PAID_TOPIC,), {PAID: Paid}, keep_till), ()),
        (Stage("book", (BOOKED_TOPIC,), {BOOKED: Booked}, keep_book), ()),
    )

    def __init__(self, databases: FakeDatabases) -> None:
        self._databases = databases
        self.paid: dict[UUID, Paid] = {}

    @property
    def sent(self) -> int:
        return len(self.paid)

    async def play(self, world: "World") -> None:
        rng, a_second = world.rng, world.rng.choice((1, 5, 50))
        for number in range(rng.randrange(5, 60)):
            await asyncio.sleep(rng.expovariate(a_second))
            behaviour = rng.choices(("count", "refuse", "fail", "die"), (60, 2, 2, 1))[0]
            paid, id = Paid(f"account-{rng.randrange(5)}", number + 1, behaviour), uuid7()
            self.paid[id] = paid
            for _ in range(1 + (rng.random() < 0.1)):
                spoilt = b'{"account": 7' if rng.random() < 0.02 else None
                world.broker.append(event(PAID_TOPIC, PAID, id, paid.account, encode_data(paid) if spoilt is None else spoilt))

    def pending(self, world: "World") -> int:
        return 0

    def violations(self, world: "World") -> list[Violation]:
        return violations(self.paid, self._databases.tables, world.broker)


def till(seed: int) -> "World":
    """The world of this seed."""
    from simulation.world import World

    databases = FakeDatabases(stage.service for stage, _ in Till.workers)
    return World(seed, Till(databases), databases)
