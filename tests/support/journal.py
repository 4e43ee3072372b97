"""The consume loop's journal in memory; tests/contract/kit holds it against the one in SQL."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.kit.journal import Batch, Before, Hold, Key, Outcome, Span


@dataclass
class MemoryJournal:
    """Keeps what was applied in order, in lists; a batch with an event that `broken` names applies nothing."""

    applied: list[int] = field(default_factory=list)
    letters: list[tuple[Outcome, int]] = field(default_factory=list)
    known: set[UUID] = field(default_factory=set)
    holds: dict[Key, Hold] = field(default_factory=dict)
    returned: list[UUID] = field(default_factory=list)
    begun: dict[tuple[str, int, int, int], int] = field(default_factory=dict)
    commits: int = 0
    failures: list[Exception] = field(default_factory=list)
    broken: Callable[[int], bool] = lambda _: False

    async def begin(self, spans: Sequence[Span]) -> Before:
        before = tuple(Span(*place, count) for place, count in self.begun.items())
        for span in spans:
            place = span.topic, span.partition, span.first, span.last
            self.begun[place] = self.begun.get(place, 0) + 1
        return Before(before, {key: hold.copy() for key, hold in self.holds.items()})

    async def commit(self, batch: Batch) -> Counter[Outcome]:
        self.commits += 1
        if self.failures:
            raise self.failures.pop(0)
        fresh = [heard for _, heard in batch.events if heard.id not in self.known]
        if any(self.broken(heard.data.n) for heard in fresh):
            raise RuntimeError("broken")
        self.known |= {heard.id for heard in fresh}
        self.applied += [heard.data.n for heard in fresh]
        aside = [each for each in batch.aside if each[1] not in (Outcome.BEHIND, Outcome.FAILED) or each[4] not in self.known]
        self.letters += [(outcome, item.message.offset) for item, outcome, *_ in aside]
        self.holds = {key: hold.copy() for key, hold in batch.holds.items()}
        self.returned += batch.returned
        reached = {(span.topic, span.partition): span.last for span in batch.spans}
        self.begun = {place: count for place, count in self.begun.items() if place[3] > reached.get(place[:2], -1)}
        duplicates = len(batch.events) - len(fresh) + len(batch.aside) - len(aside)
        return Counter({Outcome.APPLIED: len(fresh), Outcome.DUPLICATE: duplicates}) + Counter(outcome for _, outcome, *_ in aside)
