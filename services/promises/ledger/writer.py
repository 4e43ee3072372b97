"""The one writer of a ledger: takes the commands that wait, decides them in memory, and commits them together.

One process of the service is elected; the advisory lock and every write are on one connection, so that neither outlives the other. The guard on the
head makes a second writer harmless: its batch writes nothing, and is decided anew on the head that is there.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta

import asyncpg
import structlog

from services.kit.changes import Changes
from services.kit.clock import Clock
from services.kit.group_commit import GroupCommit
from services.kit.transient import is_transient
from services.kit.values import Refusal
from services.promises.ledger.batch import LOOKS_ALIKE_WITHIN, Answer, Batch, Deciding, Head, Look, Wanted, settle
from services.promises.ledger.store import HeadMoved, LedgerStore

log = structlog.get_logger(__name__)

MOST = 500
"""Commands in one commit."""

_IN_BATCH = 250
"""So many of them are written together."""

_IN_TURN = 25
"""So many are decided before what waits for its turn, PostgreSQL's answer among it, has it."""

_MOST_BEHIND = timedelta(seconds=5)


class NotWriting(Refusal):
    slug, status = "standby", 503


class ClockBehind(Refusal):
    slug, status = "clock-behind", 503


class Writer:
    """Answers commands while it leads. What it knows of the ledger is its head alone."""

    def __init__(self, clock: Clock, written: Changes | None = None) -> None:
        """`written` is told of every commit that wrote something."""
        self._clock, self._written = clock, written or Changes()
        self._store: LedgerStore | None = None
        self._head: Head | None = None
        self._group: GroupCommit[Wanted, Answer | Exception] = GroupCommit(self._commit, most=MOST)

    @property
    def leads(self) -> bool:
        """Whether commands are taken here."""
        return self._head is not None

    async def lead(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """The leader's duty: take commands over this connection, until cancelled."""
        self._store = LedgerStore(connection)
        try:
            self._head = await self._store.begin()
            log.info("writing", size=self._head.frontier.size)
            await asyncio.Event().wait()
        finally:
            self._store = self._head = None

    async def ask(self, asked: Wanted) -> Answer:
        """What the ledger answers. Raises NotWriting and ClockBehind, where nothing was written, and what the database raises, where it may have
        been: the same command again tells."""
        (answer,) = await self.ask_all([asked])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def ask_all(self, asked: Sequence[Wanted]) -> Sequence[Answer | Exception]:
        """The same for commands that come together, in their order; where one failed for a reason of its own, its error."""
        return await self._group.ask_all(asked)

    async def _commit(self, asked: Sequence[Wanted]) -> Sequence[Answer | Exception]:
        """An answer for each. What fails for a reason of its own does not fail its neighbours: the batch is halved until it stands alone."""
        try:
            return await self._together(asked)
        except Exception as error:
            if isinstance(error, Refusal) or is_transient(error) or isinstance(error, OSError):
                raise
            if len(asked) == 1:
                log.exception("a command failed", scope=asked[0].scope)
                return [error]
        middle = len(asked) // 2
        return [*await self._commit(asked[:middle]), *await self._commit(asked[middle:])]

    async def _together(self, asked: Sequence[Wanted]) -> list[Answer]:
        while True:
            if self._store is None or self._head is None:
                raise NotWriting("Another process is about to write this ledger: send the same again in a second.")
            now = self._clock.now()
            if now < self._head.recorded_at - _MOST_BEHIND:
                raise ClockBehind("The clock here is behind the ledger's last entry: nothing is written until it is set right.")
            store, before = self._store, self._head
            look = await store.look(asked, now - LOOKS_ALIKE_WITHIN)
            try:
                if len(asked) > _IN_BATCH:
                    batches = await store.write_by_turns(_decided(asked, look, before, now), before)
                else:
                    batches = [settle(asked, look, before, now)]
                    await store.write(batches[0], before)
            except HeadMoved:
                log.warning("another writer wrote: the head is read again")
                self._head = await store.head()
                continue
            if any(batch.writes for batch in batches):
                self._head = batches[-1].head
                self._written.happened()
            return [answer for batch in batches for answer in batch.answers]


async def _decided(asked: Sequence[Wanted], look: Look, head: Head, now: datetime) -> AsyncIterator[Batch]:
    """The batches that these come to, one on the other. While one is decided, the writing of the one before it goes on."""
    for piece in _pieces(asked, _IN_BATCH):
        deciding = Deciding(look, head, now)
        for some in _pieces(piece, _IN_TURN):
            deciding.take_all(some)
            await asyncio.sleep(0)
        batch = deciding.close()
        head = batch.head
        yield batch


def _pieces(asked: Sequence[Wanted], most: int) -> Iterator[Sequence[Wanted]]:
    return (asked[at : at + most] for at in range(0, len(asked), most))
