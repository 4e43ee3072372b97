"""The fake PostgreSQL beside the real one: two transactions, step by step, in any order. Both wait at the same steps, and answer the same."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from simulation.postgres import Server, Session

KEYS, WHO = st.sampled_from(["a", "b"]), st.sampled_from([0, 1])
_SQL = {
    "insert": "insert into things values ($1, $2) on conflict do nothing returning true",
    "put": "insert into things values ($1, $2) on conflict (key) do update set value = excluded.value",
    "delete": "delete from things where key = $1 returning true",
    "lock": "select pg_advisory_xact_lock(hashtext($1))",
    "select_for_update": "select value from things where key = $1 for update",
    "get": "select value from things where key = $1",
}
_BLOCKED = "select cardinality(pg_blocking_pids($1)) > 0"


class Both:
    """The same two transactions on both."""

    def __init__(self, runner: asyncio.Runner, real: "list[asyncpg.Connection[asyncpg.Record]]", look: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.runner, self.real, self.look = runner, real, look
        self.server = Server()
        self.fake = [Session(self.server, str(who)) for who in (0, 1)]
        self.waiting: dict[int, tuple[asyncio.Task[Any], asyncio.Task[Any]]] = {}
        self.numbers: list[list[int]] = [[], []]

    async def step(self, who: int, what: str, key: str, value: int) -> tuple[object, object]:
        """What both answer; "waits" where one does."""
        asked = asyncio.ensure_future(_outcome(self._on_real(who, what, key, value)))
        faked = asyncio.ensure_future(_outcome(self._on_fake(who, what, key, value)))
        await self._real_rests(who, asked)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        answers = _told(asked), _told(faked)
        if "waits" in answers:
            self.waiting[who] = asked, faked
        return answers

    async def end(self, who: int, *, commit: bool) -> tuple[object, object]:
        """Ends the one, and what the other answers if it had waited for it."""
        session = self.fake[who]
        session.commit() if commit else session.rollback()
        await self.real[who].execute("commit" if commit else "rollback")
        await self.real[who].execute("begin")
        other = self.waiting.pop(1 - who, None)
        if other is None:
            return None, None
        return await asyncio.wait_for(other[0], 5), await asyncio.wait_for(other[1], 5)

    async def rows(self) -> tuple[object, object]:
        """What is committed."""
        real = {row["key"]: row["value"] for row in await self.look.fetch("select key, value from things")}
        return real, dict(self.server.table("things"))

    async def _on_real(self, who: int, what: str, key: str, value: int) -> Any:
        arguments = (key, value) if what in ("insert", "put") else (key,)
        answer = await self.real[who].fetchval(_SQL[what], *arguments)
        return bool(answer) if what in ("insert", "delete") else None if what in ("put", "lock") else answer

    async def _on_fake(self, who: int, what: str, key: str, value: int) -> Any:
        session = self.fake[who]
        if what == "get":
            return session.get("things", key)
        if what == "lock":
            return await session.lock("advisory", [key])
        if what in ("insert", "put"):
            return await getattr(session, what)("things", key, value)
        return await getattr(session, what)("things", key)

    async def _real_rests(self, who: int, asked: "asyncio.Task[Any]") -> None:
        """Until it answered, or waits for the other: a deadlock is looked for after 20 ms."""
        for _ in range(200):
            if asked.done():
                return
            await asyncio.sleep(0.005)
            if not asked.done() and await self.look.fetchval(_BLOCKED, self.real[who].get_server_pid()):
                await asyncio.wait({asked}, timeout=0.06)
                return
        raise AssertionError("neither an answer nor a wait")


async def _outcome(work: Coroutine[Any, Any, Any]) -> object:
    try:
        return await work
    except asyncpg.DeadlockDetectedError:
        return "deadlock"


def _told(task: "asyncio.Task[Any]") -> object:
    return task.result() if task.done() else "waits"


async def _connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(url, server_settings={"deadlock_timeout": "20ms", "lock_timeout": "10s"})


def test_the_fake_answers_as_the_real_one(database_url: str) -> None:
    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.runner = asyncio.Runner()
            self.both = self.runner.run(self._begin())

        async def _begin(self) -> Both:
            look, *real = [await _connect(database_url) for _ in range(3)]
            await look.execute("drop table if exists things; create table things (key text primary key, value int not null)")
            for each in real:
                await each.execute("begin")
            return Both(self.runner, real, look)

        @rule(who=WHO, what=st.sampled_from(sorted(_SQL)), key=KEYS, value=st.integers(1, 9))
        def step(self, who: int, what: str, key: str, value: int) -> None:
            if who in self.both.waiting:
                return
            real, fake = self.runner.run(self.both.step(who, what, key, value))
            assert fake == real
            if real == "deadlock":
                self._end(who, commit=False)

        @precondition(lambda self: len(self.both.waiting) < 2)
        @rule(who=WHO, commit=st.booleans())
        def finish(self, who: int, commit: bool) -> None:
            if who not in self.both.waiting:
                self._end(who, commit=commit)

        def _end(self, who: int, *, commit: bool) -> None:
            real, fake = self.runner.run(self.both.end(who, commit=commit))
            assert fake == real
            committed, faked = self.runner.run(self.both.rows())
            assert faked == committed

        def teardown(self) -> None:
            async def close() -> None:
                waiting = [task for pair in self.both.waiting.values() for task in pair]
                for task in waiting:
                    task.cancel()
                await asyncio.gather(*waiting, return_exceptions=True)
                for each in (*self.both.real, self.both.look):
                    await each.close(timeout=5)

            with contextlib.suppress(asyncio.CancelledError):
                self.runner.run(close())
            self.runner.close()

    quick = settings(max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    run_state_machine_as_test(Machine, settings=quick)


async def test_numbers_are_drawn_when_rows_are_inserted() -> None:
    """So they commit in any order, and one that is rolled back leaves a gap: as a sequence does."""
    server = Server()
    early, late = Session(server, "early"), Session(server, "late")
    first, second = server.draw(), server.draw()
    await early.put("outbox", first, "first")
    await late.put("outbox", second, "second")
    late.commit()
    assert server.rows("outbox") == ["second"]
    early.rollback()
    assert (server.rows("outbox"), server.draw()) == (["second"], 3)


async def test_a_lock_is_not_waited_for_for_ever() -> None:
    server = Server()
    one, other = Session(server, "one"), Session(server, "other")
    await one.put("things", "a", 1)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(asyncpg.LockNotAvailableError):
        patch.setattr("simulation.postgres._LOCK_SECONDS", 0.01)
        await other.put("things", "a", 2)
