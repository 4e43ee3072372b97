"""The loop that turns a batch of messages into one transaction, whoever delivers the messages.

What `take` returns from is settled: applied, known already, or set aside; the driver acknowledges after it. It never sends, never skips, and
never lets a failure of the database count against an event.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import structlog

from services.kit import metrics
from services.kit.clock import record_now
from services.kit.envelope import BadData, Reader, event_id
from services.kit.failpoints import ARMED, hit
from services.kit.journal import Batch, Before, Hold, Item, Journal, Key, Outcome, may_pass, queue, spans_of
from services.kit.logs import describe
from services.kit.pace import rest_after
from services.kit.ports import Message
from services.kit.transient import end_if_told, is_transient, pause_seconds
from services.kit.values import Heard

T = TypeVar("T")
log = structlog.get_logger(__name__)

DEATHS_BEFORE_SET_ASIDE = 3
FAILURES_BEFORE_HALT = 20
_SECOND_AND_THIRD_TRY_SECONDS = (0.2, 0.5)


@dataclass(frozen=True, slots=True)
class Bug:
    """What a handler raised that no repetition will mend."""

    error: Exception


class TooManyFailures(Exception):
    """So many events failed one after the other that the release is at fault, not the events: the worker must halt."""


class ConsumeLoop:
    """One per worker. `read` may run ahead of `take`, which is called with one batch after the other, never twice at once."""

    def __init__(
        self,
        reader: Reader,
        journal: Journal,
        *,
        service: str,
        prefix: str = "",
        changed: Callable[[], None] = lambda: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._reader, self._journal, self._service, self._prefix = reader, journal, service, prefix
        self._changed, self._sleep = changed, sleep
        self._holds: dict[Key, Hold] = {}
        self._failures = 0
        self.rest_seconds = 0.0
        """How long what comes next may gather (`services.kit.pace`)."""

    def read(self, messages: Sequence[Message]) -> list[Item]:
        """Each message with the event in it, or why it cannot be read. Touches nothing else."""
        prefix, read_one, items = self._prefix, self._read_one, []
        for message in messages:
            headers = dict(message.headers or ())
            items.append(Item(message, message.topic.removeprefix(prefix), headers, read_one(headers, message.value)))
        return items

    def _read_one(self, headers: dict[str, bytes | None], value: bytes | None) -> Heard[Any] | Exception | None:
        try:
            return self._reader.read(headers, value)
        except Exception as error:  # noqa: BLE001  # a bug in a service's reader becomes a dead letter in `take`; here it would end the consumer
            return error

    async def take(self, items: Sequence[Item]) -> Counter[Outcome]:
        """Settle these, in order. Raises TooManyFailures, and nothing else but bugs of the kit itself."""
        began = time.monotonic()
        try:
            told = [item for item in items if item.heard is not None]
            done = Counter({Outcome.NOT_HEARD: len(items) - len(told)})
            if told:
                done += await self._take(told)
                if ARMED:
                    hit("stage.committed", *map(_id, told))
                self._changed()
            self._count(done, began)
            return done
        finally:
            self.rest_seconds = rest_after(len(items), time.monotonic() - began)

    async def _take(self, items: list[Item]) -> Counter[Outcome]:
        if ARMED:
            hit("stage.received", *map(_id, items))
        spans = spans_of(items)
        before = await self._patiently(partial(self._journal.begin, spans))
        if ARMED:
            hit("stage.begun", *map(_id, items))
        self._holds = before.holds
        if not before.unfinished:
            return await self._settle(items)
        log.warning("going event by event: an earlier process did not finish here", count=len(items))
        done: Counter[Outcome] = Counter()
        for item in items:
            own = spans_of([item])
            begun = before if own[0] in spans else await self._patiently(partial(self._journal.begin, own))
            done += await self._alone(item, begun)
        return done

    async def _alone(self, item: Item, before: Before) -> Counter[Outcome]:
        place = item.topic, item.message.partition, item.message.offset, item.message.offset
        deaths = max((s.count for s in before.unfinished if (s.topic, s.partition, s.first, s.last) == place), default=0)
        if deaths < DEATHS_BEFORE_SET_ASIDE:
            return await self._settle([item])
        return await self._set_aside(item, f"the process died {deaths} times while it handled this event")

    async def _settle(self, items: list[Item]) -> Counter[Outcome]:
        """All of them in one transaction; where that fails, halves, until the culprit stands alone."""
        result = await self._attempt(partial(self._apply, items))
        if not isinstance(result, Bug):
            return result
        if len(items) == 1:
            return await self._try_again(items[0], result)
        middle = len(items) // 2
        return await self._settle(items[:middle]) + await self._settle(items[middle:])

    async def _try_again(self, item: Item, bug: Bug) -> Counter[Outcome]:
        for seconds in _SECOND_AND_THIRD_TRY_SECONDS:
            await self._sleep(seconds)
            result = await self._attempt(partial(self._apply, [item]))
            if not isinstance(result, Bug):
                return result
            bug = result
        self._failures += 1
        log.error("event set aside: its handler fails", **_place(item), exc_info=bug.error)
        done = await self._set_aside(item, " | ".join(describe(bug.error, bug.error.__traceback__)[-3:]))
        if self._failures >= FAILURES_BEFORE_HALT:
            raise TooManyFailures(f"{self._failures} events in a row failed in {self._service}")
        return done

    async def _set_aside(self, item: Item, detail: str) -> Counter[Outcome]:
        batch, holds = self._new_batch([item]), self._holds
        queue(batch, item, Outcome.FAILED, "handler-failed", detail, event_id(item.headers))
        done = await self._patiently(partial(self._commit, batch))
        if done[Outcome.DUPLICATE]:
            self._holds = holds  # it was applied before it was delivered again, and is nobody's hold
        return done

    async def _apply(self, items: list[Item]) -> Counter[Outcome]:
        batch = self._sort_out(items)
        done = await self._commit(batch)
        if done[Outcome.APPLIED]:
            self._failures = 0
            self._tell_age(batch.events[-1][1].id)
        return done

    async def _commit(self, batch: Batch) -> Counter[Outcome]:
        done = await self._journal.commit(batch) + batch.passed_over
        self._holds = batch.holds
        return done

    def _new_batch(self, items: list[Item]) -> Batch:
        return Batch({key: hold.copy() for key, hold in self._holds.items()}, spans=spans_of(items))

    def _sort_out(self, items: list[Item]) -> Batch:
        """Set aside what is no event; drop what the batch holds twice; queue what stands behind a failed event of its key."""
        batch, seen = self._new_batch(items), set[UUID]()
        for item in items:
            heard = item.heard
            if isinstance(heard, BadData):
                batch.aside.append((item, Outcome.UNREADABLE, "unreadable", str(heard), None))
            elif isinstance(heard, Exception):
                raise heard
            elif heard is None or heard.id in seen:
                batch.passed_over[Outcome.DUPLICATE] += 1
            elif not batch.holds or may_pass(batch, item, heard.id):
                seen.add(heard.id)
                batch.events.append((item, heard))
        return batch

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """The result. Only transient failures are waited out: any other is a bug of the kit, and crashes."""
        result = await self._attempt(work)
        if isinstance(result, Bug):
            raise result.error
        return result

    async def _attempt(self, work: Callable[[], Awaitable[T]]) -> T | Bug:
        """The result, or the bug that stood in its way; transient failures are waited out, as often as it takes."""
        tries = 0
        while True:
            try:
                return await work()
            except Exception as error:  # noqa: BLE001  # whatever a handler raises must become a dead letter: an exception that leaves an agent loses events
                end_if_told()
                if not is_transient(error):
                    return Bug(error)
                reason = type(error).__name__
            metrics.RETRIES.labels(self._service, reason).inc()
            log.warning("batch failed for a passing reason and is tried again", error=reason, attempt=tries)
            await self._sleep(pause_seconds(tries))
            tries += 1

    def _tell_age(self, newest: UUID) -> None:
        if newest.version == 7:
            metrics.EVENT_AGE_SECONDS.labels(self._service).set(max(0.0, record_now().timestamp() - (newest.int >> 80) / 1000))

    def _count(self, done: Counter[Outcome], began: float) -> None:
        for outcome, count in done.items():
            if outcome in _DEAD:
                metrics.DEAD_LETTERS.labels(self._service, outcome.value).inc(count)
            metrics.EVENTS.labels(self._service, "dead" if outcome in _DEAD else outcome.value).inc(count)
        if done[Outcome.APPLIED]:
            metrics.BATCH_SECONDS.labels(self._service).observe(time.monotonic() - began)
            metrics.BATCH_EVENTS.labels(self._service).observe(done[Outcome.APPLIED])


_DEAD = frozenset({Outcome.UNREADABLE, Outcome.REFUSED, Outcome.FAILED, Outcome.BEHIND})


def _id(item: Item) -> object:
    return getattr(item.heard, "id", None)


def _place(item: Item) -> dict[str, object]:
    return {"topic": item.topic, "partition": item.message.partition, "offset": item.message.offset}
