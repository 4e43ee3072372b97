"""The planted bugs. `statement` is what `ast.unparse` prints of exactly one statement of the function (of the module, where none is named);
`replacement` stands in its place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """`fails`: the invariant of the simulation that must be violated, or the test that must fail."""

    name: str
    file: str
    function: str
    statement: str
    replacement: str
    fails: str
    world: str = "till"
    """Where the simulation is to find it."""


SIMULATION = (
    Mutant(
        "early acknowledge",
        "services/kit/raw_driver.py",
        "RawDriver._take",
        "if kept:\n    await self._loop.take(self._loop.read([message for tp in kept for message in got[tp]]))",
        "for tp, offsets in kept.items():\n    self._tracker.acknowledged(tp, offsets)\n"
        "if kept:\n    await self._commit()\n    await self._loop.take(self._loop.read([message for tp in kept for message in got[tp]]))",
        "applied once",
    ),
    Mutant(
        "no inbox",
        "services/kit/inbox.py",
        "SqlJournal._enter",
        "if some is None:\n    return batch.events",
        "return batch.events",
        "applied once",
    ),
    Mutant(
        "inbox and outbox apart",
        "services/kit/database.py",
        "Database.transaction",
        "async with connection.transaction():\n"
        "    work = Transaction(connection, self.clock.now(), f'/kept/{self.service}')\n"
        "    yield work\n"
        "    await work.flush()\n"
        "    if ARMED and work.says:\n"
        "        hit('outbox.inserted')",
        "async with connection.transaction():\n"
        "    work = Transaction(connection, self.clock.now(), f'/kept/{self.service}')\n"
        "    yield work\n"
        "async with connection.transaction():\n"
        "    await work.flush()",
        "applied once",
    ),
    Mutant(
        "handler sends",
        "services/kit/database.py",
        "Database.transaction",
        "await work.flush()",
        "async with self.pool.acquire() as aside, aside.transaction():\n"
        "    early = Transaction(aside, work.now, work.source)\n"
        "    early._said = work._said\n"
        "    await early.flush()\n"
        "work._said = []\n"
        "await work.flush()",
        "said once",
    ),
    Mutant(
        "cursor outbox",
        "services/kit/relay.py",
        "Relay._relay",
        "rows = await take.fetch(_AT_ONCE)",
        "rows = [row for row in await take.fetch(_AT_ONCE) if row['id'] > self.__dict__.get('reached', 0)]\n"
        "self.reached = max([row['id'] for row in rows], default=self.__dict__.get('reached', 0))",
        "said once",
    ),
    Mutant(
        "delete before acknowledgements",
        "services/kit/relay.py",
        "Relay._relay",
        "await self._send([_outgoing(row, self._prefix) for row in rows])",
        "await delete.fetch([row['id'] for row in rows])\nawait self._send([_outgoing(row, self._prefix) for row in rows])",
        "said once",
    ),
    Mutant(
        "range delete",
        "services/kit/relay.py",
        "Relay._relay",
        "await delete.fetch([row['id'] for row in rows])",
        "await delete.fetch([row['id'] for row in await take.fetch(_AT_ONCE) if row['id'] <= rows[-1]['id']])",
        "said once",
    ),
    Mutant(
        "send error ignored",
        "services/kit/relay.py",
        "Relay._send",
        "await asyncio.sleep(pause_seconds(tries))",
        "return",
        "said once",
    ),
    Mutant(
        "unordered relay",
        "services/kit/relay.py",
        "Relay._relay",
        "await self._send([_outgoing(row, self._prefix) for row in rows])",
        "await self._send([_outgoing(row, self._prefix) for row in reversed(rows)])",
        "in order",
    ),
    Mutant(
        "no dedupe inside the batch",
        "services/kit/consume.py",
        "ConsumeLoop._sort_out",
        "seen.add(heard.id)",
        "pass",
        "applied once",
    ),
    Mutant(
        "highest acknowledgement committed",
        "services/kit/offsets.py",
        "OffsetTracker.committable",
        "return min(outstanding) if outstanding else self._next.get(partition)",
        "return self._next.get(partition)",
        "applied once",
    ),
    Mutant(
        "swallowed failure",
        "services/kit/consume.py",
        "ConsumeLoop._set_aside",
        "done = await self._patiently(partial(self._commit, batch))",
        "done = Counter({Outcome.FAILED: 1})",
        "applied once",
    ),
    Mutant(
        "disconnect taken for poison",
        "services/kit/consume.py",
        "ConsumeLoop._attempt",
        "if not is_transient(error):\n    return Bug(error)",
        "return Bug(error)",
        "no crash",
    ),
    Mutant(
        "poison retried for ever",
        "services/kit/consume.py",
        "ConsumeLoop._attempt",
        "if not is_transient(error):\n    return Bug(error)",
        "pass",
        "comes to rest",
    ),
    Mutant(
        "attempts never counted",
        "services/kit/consume.py",
        "ConsumeLoop._take",
        "before = await self._patiently(partial(self._journal.begin, spans))",
        "before = Before((), {})",
        "comes to rest",
    ),
    Mutant(
        "attempts counted after",
        "services/kit/consume.py",
        "ConsumeLoop._take",
        "before = await self._patiently(partial(self._journal.begin, spans))",
        "done = await self._settle(items)\nawait self._patiently(partial(self._journal.begin, spans))\nreturn done",
        "comes to rest",
    ),
    Mutant(
        "failed events hold nothing back",
        "services/kit/consume.py",
        "ConsumeLoop._take",
        "self._holds = before.holds",
        "self._holds = {}",
        "applied once",
    ),
    Mutant(
        "a cancel frees units twice",
        "services/fulfilment/stock/handlers.py",
        "release",
        "if want.state in (WantState.SHORT, WantState.RESERVED):\n"
        "    books.apply([releasing(want, part) for part in want.parts], cause)\n"
        "    books.keep(replace(want, parts=(), state=WantState.RELEASED, ripe=False))",
        "books.apply([releasing(want, part) for part in want.parts], cause)\nbooks.keep(replace(want, state=WantState.RELEASED, ripe=False))",
        "no oversell",
        "shop",
    ),
    Mutant(
        "a version is given twice",
        "services/orders/book.py",
        "Book.note",
        "self.said.append(Said(event, order.order_id, said, cause))",
        "self.said.append(Said(event, order.order_id, max(1, said - 1), cause))",
        "in order",
        "shop",
    ),
    Mutant(
        "an order is released before its stock",
        "services/orders/decisions.py",
        "settle",
        "if order.state is not State.VALIDATING or not order.announced or order.cancel_requested or order.amending or missing_checks(order):\n"
        "    return Decision(order)",
        "if order.state is not State.VALIDATING or not order.announced or order.cancel_requested or order.amending:\n    return Decision(order)",
        "set aside once",
        "shop",
    ),
)
