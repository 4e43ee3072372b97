"""The delivery date that can be kept: release, queue, pick, pack, pick-up, transit and calendar, added up.

Pure arithmetic over what carriers schedule, what waits at the site, and our policy. It must never give a date that the physics of its own
terms forbids, nor call an answer valid longer than it is.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from services.kit.values import Refusal
from services.promises.domain import Destination, Run, Service, arrival, departures, local_day


@dataclass(frozen=True, slots=True, order=True)
class Line:
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Ask:
    """What shall be promised. Without `site`, any site may answer; with `chosen_on`, only that day will do."""

    channel: str
    site: str | None
    destination: Destination
    lines: tuple[Line, ...]
    service: Service
    chosen_on: date | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """The work that waits at a site."""

    site: str
    work_seconds: int
    pickers: int
    measured_at: datetime


@dataclass(frozen=True, slots=True)
class Policy:
    """What we allow ourselves for each step, and how far ahead a day may be chosen."""

    release_seconds: int
    pick_order_seconds: int
    pick_line_seconds: int
    pack_seconds: int
    horizon_days: int


@dataclass(frozen=True, slots=True)
class Basis:
    """What an answer rests on: `runs` all go to the destination, of every service; no hand-over before `not_before`."""

    runs: tuple[Run, ...]
    queues: Mapping[str, Queue]
    policy: Policy
    now: datetime
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """One step of the sum: `until` is the previous term's `until` plus `seconds`."""

    name: str
    seconds: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Quote:
    """A date that can be kept. The last term ends at `due_at`; ordered by `valid_until`, the same answer is given again."""

    site: str
    service: Service
    carrier_service: str
    terms: tuple[Term, ...]
    due_on: date
    due_at: datetime
    zone: str
    hand_over_by: datetime
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Grounds:
    """What is known of several destinations at once, and what was quoted before, by its id."""

    runs: Mapping[Destination, tuple[Run, ...]]
    queues: Mapping[str, Queue]
    quotes: Mapping[UUID, tuple[Ask, Quote]] = field(default_factory=dict)

    def basis(self, there: Destination, policy: Policy, now: datetime, not_before: datetime | None = None) -> Basis:
        """What an answer for this destination rests on: its own runs, and the queues of their sites."""
        runs = self.runs[there]
        sites = {run.site for run in runs}
        return Basis(runs, {site: queue for site, queue in self.queues.items() if site in sites}, policy, now, not_before)


class CannotPromise(Refusal):
    """No such date can be kept. `instead` is what can be, the asked service first."""

    def __init__(self, sentence: str, instead: Sequence[Quote]) -> None:
        dates = [{"service": each.service.value, "due_on": each.due_on.isoformat(), "due_at": each.due_at.isoformat()} for each in instead]
        super().__init__(sentence, can_promise=dates)
        self.instead = tuple(instead)


class NoLane(CannotPromise):
    """No carrier service of this kind goes there."""

    slug = "no-lane"


class DateNotPossible(CannotPromise):
    """The chosen day cannot be kept."""

    slug = "date-not-possible"


class DatePast(CannotPromise):
    """The chosen day lies in the past where the order goes."""

    slug = "date-past"
    status = 422


class AwaitingStock(CannotPromise):
    """What was ordered is not here, and nobody knows when it will be."""

    slug = "awaiting-stock"


class OrderEnded(CannotPromise):
    """Nothing more is promised for it."""

    slug = "order-ended"


def make_quote(ask: Ask, basis: Basis) -> Quote:
    """The earliest date that can be kept; with `chosen_on`, that date. Raises NoLane, DatePast, DateNotPossible, each with what can be."""
    found = (_first(ask, run, basis, ask.chosen_on) for run in _fitting(ask, basis.runs))
    options = [quote for quote in found if quote and ask.chosen_on in (None, quote.due_on)]
    if options:
        return min(options, key=_sooner)
    instead = _instead(ask, basis)
    possible = " or ".join(f"{said(quote.due_on)} with {quote.service} delivery" for quote in instead)
    if ask.chosen_on is None or not instead:
        raise NoLane(_no_lane(ask, possible), instead)
    if ask.chosen_on < local_day(basis.now, instead[0].zone):
        raise DatePast(f"{said(ask.chosen_on)} is past; what can be promised is {possible}.", instead)
    raise DateNotPossible(f"{said(ask.chosen_on)} cannot be kept with {ask.service} delivery; what can be promised is {possible}.", instead)


def still_holds(quoted: Ask, quote: Quote, ordered: Ask, placed_at: datetime) -> bool:
    """Whether the order is the one that was quoted, placed in time. An order may know only the beginning of its postcode."""
    there = quoted.destination.country == ordered.destination.country
    there = there and quoted.destination.postcode.startswith(ordered.destination.postcode)
    same = (quoted.channel, quoted.service, quoted.chosen_on, quote.site) == (ordered.channel, ordered.service, ordered.chosen_on, ordered.site)
    return there and same and pieces(quoted) == pieces(ordered) and placed_at <= quote.valid_until


def work_seconds(ask: Ask, queue: Queue | None, policy: Policy) -> tuple[tuple[str, int], ...]:
    """The steps before the hand-over. A queue that nobody works on now is counted as one picker's: somebody will be sent to it."""
    waiting = -(-queue.work_seconds // max(queue.pickers, 1)) if queue else 0
    pick = policy.pick_order_seconds + policy.pick_line_seconds * len(ask.lines)
    return (("release", policy.release_seconds), ("queue", waiting), ("pick", pick), ("pack", policy.pack_seconds))


def said(day: date) -> str:
    """The day as an English sentence holds it: Thursday 26 November 2026."""
    return f"{day:%A} {day.day} {day:%B} {day.year}"


def _fitting(ask: Ask, runs: Iterable[Run]) -> list[Run]:
    return [run for run in runs if run.service == ask.service and ask.site in (None, run.site)]


def _sooner(quote: Quote) -> tuple[datetime, datetime, str]:
    return quote.due_at, quote.hand_over_by, quote.carrier_service


def _first(ask: Ask, run: Run, basis: Basis, wanted: date | None) -> Quote | None:
    """The first pick-up whose delivery day is not before `wanted`."""
    steps = work_seconds(ask, basis.queues.get(run.site), basis.policy)
    start = basis.now if basis.now.microsecond == 0 else basis.now.replace(microsecond=0) + timedelta(seconds=1)
    work = timedelta(seconds=sum(seconds for _, seconds in steps))
    for day, departure in departures(run, max(start + work, basis.not_before or start), basis.policy.horizon_days):
        counted, due_on, due_at = arrival(run, day, departure)
        if wanted is None or due_on >= wanted:
            terms = _chain(start, steps, (("pick_up", departure), ("transit", counted), ("calendar", due_at)))
            zone = run.lane.destination_zone
            return Quote(run.site, run.service, run.carrier_service, terms, due_on, due_at, zone, departure, departure - work)
    return None


def _instead(ask: Ask, basis: Basis) -> list[Quote]:
    """What can be promised of each service, the asked one first: the next day from the chosen one on, or the first of all."""
    offers = []
    for service in sorted(Service, key=lambda service: service != ask.service):
        runs = _fitting(replace(ask, service=service), basis.runs)
        quotes = [quote for run in runs if (quote := _first(ask, run, basis, ask.chosen_on) or _first(ask, run, basis, None))]
        offers += sorted(quotes, key=_sooner)[:1]
    return offers


def _no_lane(ask: Ask, possible: str) -> str:
    missing = f"no {ask.service} delivery goes to {ask.destination.country} {ask.destination.postcode}"
    return f"{missing}; what can be promised is {possible}." if possible else f"{missing} yet; give another address, or call us."


def pieces(ask: Ask) -> Counter[str]:
    """Units by SKU."""
    found: Counter[str] = Counter()
    for line in ask.lines:
        found[line.sku] += line.quantity
    return found


def _chain(start: datetime, steps: Iterable[tuple[str, int]], ends: Iterable[tuple[str, datetime]]) -> tuple[Term, ...]:
    terms, until = [], start
    for name, seconds in steps:
        until += timedelta(seconds=seconds)
        terms.append(Term(name, seconds, until))
    for name, end in ends:
        terms.append(Term(name, (end - until) // timedelta(seconds=1), end))
        until = end
    return tuple(terms)
