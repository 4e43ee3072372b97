"""Hears what carriers and the floor can do; answers what can be promised."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from services.kit.values import Heard
from services.promises.domain import Schedule
from services.promises.quoting.domain import Policy, Queue, Quote, make_quote
from services.promises.quoting.ports import Answer, CapacityStore, Kept, Question, QuoteStore

T = TypeVar("T")
Digest = Callable[[object], bytes]
"""A canonical encoding: equal values give equal bytes."""
Preview = Callable[[Quote, str], tuple[str, str]]
"""The sentence for a quote in a language, and the language it came out in."""


async def on_capacity(batch: Sequence[Heard[Any]], store: CapacityStore) -> None:
    """Keep what was said last of each carrier service and each site's queue."""
    schedules = ((heard.data.carrier_service, heard.version, heard.data) for heard in batch if isinstance(heard.data, Schedule))
    queues = ((heard.data.site, heard.version, heard.data) for heard in batch if isinstance(heard.data, Queue))
    await store.replace_schedules(_newest(schedules))
    await store.replace_queues(_newest(queues))


async def answer(question: Question, store: QuoteStore, policy: Policy, now: datetime, *, preview: Preview, canonical: Digest) -> Kept:
    """What stands under the question's id: the answer given before, else a new one. Raises CannotPromise, of which nothing is kept."""
    kept = await store.kept(question.quote_id)
    if kept:
        return kept
    grounds = await store.grounds([question.ask.destination])
    basis = grounds.basis(question.ask.destination, policy, now)
    quote = make_quote(question.ask, basis)
    text, language = preview(quote, question.language)
    told = Answer(
        question.quote_id, quote.site, quote.service.value, quote.due_on, quote.due_at, quote.zone, quote.hand_over_by, quote.valid_until,
        quote.terms, text, language, hashlib.sha256(canonical((question.ask, basis))).hexdigest(), now,
    )  # fmt: skip
    return await store.keep(question, quote, told)


def _newest(said: Iterable[tuple[str, int, T]]) -> list[tuple[int, T]]:
    newest: dict[str, tuple[int, T]] = {}
    for key, version, data in said:
        if key not in newest or version > newest[key][0]:
            newest[key] = version, data
    return [newest[key] for key in sorted(newest)]
