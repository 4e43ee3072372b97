"""Commands that wait together, decided in memory one after the other: what each is answered, and all that is to be written.

Nothing here waits or reads a clock: the same commands on the same state give the same entries, byte for byte.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

import msgspec

from services.kit.canonical import canonical
from services.kit.merkle import Frontier, Node, leaf_hash
from services.kit.promise.line import NAMES, Actor, Line, body_of, digest_over
from services.kit.promise.state import Fact, Made, Promise, Standing, after
from services.kit.values import NotFound, Refusal
from services.promises.ledger.domain.commands import (
    Command,
    CustomerErased,
    Erase,
    GivenUp,
    Make,
    NotYetDue,
    OpenPromises,
    Void,
    WasErased,
    decide,
    insist_on_settled,
)
from services.promises.ledger.messages import Erasure, Receipt, Refused

_ERASURE = "ledger erase"
_JUST_MADE = canonical(Standing())
TICK = timedelta(microseconds=1)
LOOKS_ALIKE_WITHIN = timedelta(minutes=15)
"""A promise of the same thing to the same customer within this time looks like the same promise typed twice."""


GIVING_UP = "give up"
"""The scope under which it is remembered, by promise id, that a promise was given up before it was made."""


class LooksLikeDuplicate(Refusal):
    slug = "looks-like-duplicate"


@dataclass(frozen=True, slots=True)
class Asked:
    """One command as it came. `told` is the canonical JSON of all that was asked, by which a repetition is told from another command under its key;
    `words` are the salt and the text behind a commitment. `customer_id` is known where something is promised; elsewhere the promise tells it."""

    scope: str
    key: str
    promise_id: UUID
    command: Command
    actor: Actor
    occurred_at: datetime
    told: bytes
    words: tuple[bytes, str] | None = None
    customer_id: UUID | None = None
    customer_salt: bytes = b""
    """For a customer who is not known yet."""
    thing: bytes = b""
    distinct_from: UUID | None = None
    if_match: int | None = None
    then: "Asked | None" = None
    """What goes along in the same commit, both or neither: what makes good for the promise that this breaks, the end of the one it replaces."""


@dataclass(frozen=True, slots=True)
class AskedErasure:
    """That the personal data of a customer be erased, as it came: an entry for each of their promises, all of them or none."""

    scope: str
    key: str
    customer_id: UUID
    actor: Actor
    occurred_at: datetime

    def of(self, promise_id: UUID) -> Asked:
        """The same for one of their promises. It says nothing that anybody would have to forget."""
        told = canonical(["erase", str(promise_id)])
        return Asked(_ERASURE, f"erased|{promise_id}", promise_id, Erase(), self.actor, self.occurred_at, told)


Wanted = Asked | AskedErasure


@dataclass(frozen=True, slots=True)
class Head:
    """How far a ledger reaches: the instant of its last entry, and its tree."""

    recorded_at: datetime
    frontier: Frontier


class Remembered(NamedTuple):
    """What a command was answered before; `customer_id` is known where an entry was written."""

    fingerprint: bytes
    receipt: Receipt | None = None
    refused: Refused | None = None
    customer_id: UUID | None = None


class Making(NamedTuple):
    """How a promise was made: when, its thing (empty for what was there before, whose row keeps it), and `body_of` what was said."""

    at: datetime
    thing: bytes
    said: bytes


@dataclass(frozen=True, slots=True)
class Look:
    """What was known when the batch began. The deciding adds to it."""

    known: dict[tuple[str, str], Remembered]
    promises: dict[UUID, Promise]
    made: dict[UUID, Making]
    salts: dict[UUID, bytes]
    alike: dict[bytes, UUID]
    erased: dict[UUID, Erasure] = field(default_factory=dict)
    """Of the customers that the commands speak of, and of the requests whose keys they have."""


class Entry(NamedTuple):
    """One entry to write, and how its promise stands after it: `standing` as canonical JSON."""

    asked: Asked
    promise: Promise
    receipt: Receipt
    fingerprint: bytes
    line: bytes
    standing: bytes
    made: Making

    @property
    def voids(self) -> bool:
        """Whether it says that the promise was a mistake."""
        return isinstance(self.asked.command, Void)


class Answer(NamedTuple):
    """Exactly one of: a receipt, new or `replayed`; a no, new or `replayed`; `reused`, the key that stands for another command, with that one's
    receipt or erasure where it has one; `unchanged`, the promise's seq where it is so already; an erasure, new or `replayed`, by this
    request or another; an unknown promise, where all are None."""

    receipt: Receipt | None = None
    refused: Refused | None = None
    replayed: bool = False
    reused: bool = False
    unchanged: int | None = None
    erasure: Erasure | None = None


@dataclass(slots=True)
class Batch:
    """What a batch of commands comes to. `head` is the ledger's after it."""

    head: Head
    entries: list[Entry] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    words: list[tuple[UUID, int, bytes, str]] = field(default_factory=list)
    salts: dict[UUID, bytes] = field(default_factory=dict)
    refusals: list[tuple[Asked, bytes, Refused]] = field(default_factory=list)
    erasures: list[Erasure] = field(default_factory=list)
    erased: list[UUID] = field(default_factory=list)
    """The promises whose words go."""
    answers: list[Answer] = field(default_factory=list)

    @property
    def writes(self) -> bool:
        """Whether anything changes."""
        return bool(self.entries or self.refusals or self.erasures)

    def last(self) -> tuple[list[Entry], list[Entry]]:
        """The last entry of each promise that is new with this batch, and of each that was there before."""
        made = {entry.promise.promise_id for entry in self.entries if entry.receipt.seq == 1}
        last = {entry.promise.promise_id: entry for entry in self.entries}
        return [last[id] for id in last if id in made], [last[id] for id in last if id not in made]


def settle(wanted: Sequence[Wanted], look: Look, head: Head, now: datetime) -> Batch:
    """The batch that these commands come to, in their order. `now` is the ledger's business time."""
    deciding = Deciding(look, head, now)
    deciding.take_all(wanted)
    return deciding.close()


class Deciding:
    """The same, a few commands at a time."""

    def __init__(self, look: Look, head: Head, now: datetime) -> None:
        self._look, self._before, self._now = look, head, now
        self._recorded_at, self._position = head.recorded_at, head.frontier.size
        self._leaves = list[bytes]()
        self.batch = Batch(head)

    def take_all(self, wanted: Sequence[Wanted]) -> None:
        """Decide the next ones, in their order."""
        for each in wanted:
            self.batch.answers.append(self.erase(each) if isinstance(each, AskedErasure) else self.take(each))

    def take(self, asked: Asked) -> Answer:
        """The answer to one command; what follows from it is in the batch."""
        salt = self._salt(asked)
        fingerprint = sha256(salt + asked.told).digest()
        remembered = self._look.known.get((asked.scope, asked.key))
        if remembered is not None:
            if (remembered.customer_id or self._customer(asked)) in self._look.erased:
                return Answer(refused=_refused(WasErased("This Idempotency-Key was used for what is erased by now: send a new one.")))
            if remembered.fingerprint != fingerprint:
                return Answer(remembered.receipt, remembered.refused, reused=True)
            return Answer(remembered.receipt, remembered.refused, replayed=True)
        promise = self._look.promises.get(asked.promise_id)
        try:
            self._refuse_given_up(asked)
            self._refuse_erased(asked)
            self._refuse_look_alike(asked)
            fact = decide(promise, asked.command, self._now, asked.if_match)
            if asked.then is not None:
                decide(self._look.promises.get(asked.then.promise_id), asked.then.command, self._now, asked.then.if_match)
        except NotFound:
            return Answer()
        except NotYetDue as refusal:  # passes by itself: whoever watches asks again with the same key
            return Answer(refused=_refused(refusal))
        except Refusal as refusal:
            return self._refuse(asked, fingerprint, refusal)
        if fact is None and promise is not None:
            return Answer(unchanged=promise.seq)
        assert fact is not None, "what makes a promise says so"
        answer = Answer(self._record(asked, fingerprint, promise, fact))
        if asked.then is not None:
            self.take(asked.then)
        return answer

    def erase(self, asked: AskedErasure) -> Answer:
        """All promises of a customer are settled, and get their entries; or nothing is written, or remembered."""
        look, customer = self._look, asked.customer_id
        same_key = next((each for each in look.erased.values() if (each.scope, each.key) == (asked.scope, asked.key)), None)
        if same_key is not None:
            return Answer(erasure=same_key, replayed=same_key.customer_id == customer, reused=same_key.customer_id != customer)
        if customer in look.erased:
            return Answer(erasure=look.erased[customer], replayed=True)
        theirs = sorted((each for each in look.promises.values() if each.said.customer_id == customer), key=lambda each: each.promise_id)
        try:
            insist_on_settled(theirs)
        except OpenPromises as refusal:
            return Answer(refused=_refused(refusal))
        for promise in theirs:
            fact = decide(promise, Erase(), self._now)
            assert fact is not None, "a customer is erased once"
            each = asked.of(promise.promise_id)
            self._record(each, sha256(each.told).digest(), promise, fact)
        return Answer(erasure=self._forget(asked, [promise.promise_id for promise in theirs]))

    def _forget(self, asked: AskedErasure, ids: list[UUID]) -> Erasure:
        """Have all go that makes a fingerprint guessable or says what was said, from before and from this very batch."""
        batch, customer, gone = self.batch, asked.customer_id, {*ids}
        erasure = Erasure(customer, asked.scope, asked.key, self._position, len(ids), self._now)
        self._look.erased[customer] = erasure
        batch.erasures.append(erasure)
        batch.erased += ids
        batch.words = [each for each in batch.words if each[0] not in gone]
        batch.salts.pop(customer, None)
        self._look.salts.pop(customer, None)
        return erasure

    def close(self) -> Batch:
        """The batch that all of it comes to."""
        frontier, self.batch.nodes = self._before.frontier.grown(self._leaves)
        self.batch.head = Head(self._recorded_at, frontier)
        return self.batch

    def _salt(self, asked: Asked) -> bytes:
        """The customer's: theirs from before, or the one that came with the command and is kept with the first entry of theirs."""
        customer = self._customer(asked)
        return self._look.salts.get(customer, asked.customer_salt) if customer else b""

    def _refuse_given_up(self, asked: Asked) -> None:
        given_up = self._look.known.get((GIVING_UP, str(asked.promise_id))) if isinstance(asked.command, Make) else None
        if given_up is not None and given_up.refused is not None:
            raise GivenUp(given_up.refused.sentence)

    def _customer(self, asked: Asked) -> UUID | None:
        promise = self._look.promises.get(asked.promise_id)
        return asked.customer_id or (promise.said.customer_id if promise else None)

    def _refuse_erased(self, asked: Asked) -> None:
        if isinstance(asked.command, Make) and self._customer(asked) in self._look.erased:
            raise CustomerErased("The data of this customer was erased: promise to the id of a customer who is known, or make a new one.")

    def _refuse_look_alike(self, asked: Asked) -> None:
        other = self._look.alike.get(asked.thing) if asked.thing else None
        if other is not None and other not in (asked.distinct_from, asked.promise_id):
            raise LooksLikeDuplicate(
                "The same was promised to this customer a moment ago: look at it, and if this is another one, say distinct_from with a new key.",
                promise_id=str(other),
            )

    def _refuse(self, asked: Asked, fingerprint: bytes, refusal: Refusal) -> Answer:
        refused = _refused(refusal)
        if self._customer(asked) in self._look.erased:  # nothing is remembered of them: no salt would hide what was asked
            return Answer(refused=refused)
        self.batch.refusals.append((asked, fingerprint, refused))
        self._look.known[asked.scope, asked.key] = Remembered(fingerprint, refused=refused)
        self._keep_salt(asked)
        return Answer(refused=refused)

    def _record(self, asked: Asked, fingerprint: bytes, before: Promise | None, fact: Fact) -> Receipt:
        self._position += 1
        self._recorded_at = max(self._now, self._recorded_at + TICK)
        body = body_of(fact)
        if before is None:
            assert isinstance(fact, Made)
            promise, standing = Promise(asked.promise_id, 1, fact), _JUST_MADE
            self._look.made[asked.promise_id] = Making(self._recorded_at, asked.thing, body)
        else:
            promise = after(before, fact, asked.actor.department, self._recorded_at)
            standing = canonical(promise.stands)
        digest = digest_over(promise.promise_id, self._look.made[asked.promise_id].said, promise.seq, standing)
        line = canonical(
            Line(
                self._position, promise.promise_id, promise.seq, NAMES[type(fact)], msgspec.Raw(body), asked.occurred_at.astimezone(UTC),
                self._recorded_at, asked.actor, asked.scope, asked.key, fingerprint, digest,
            )
        )  # fmt: skip
        leaf = leaf_hash(line)
        receipt = Receipt(self._position, promise.promise_id, promise.seq, self._recorded_at, digest, leaf)
        self._leaves.append(leaf)
        self._note(asked, promise, receipt, fingerprint, line, standing)
        return receipt

    def _note(self, asked: Asked, promise: Promise, receipt: Receipt, fingerprint: bytes, line: bytes, standing: bytes) -> None:
        """Put it among what is written, and among what the commands behind it in this batch see."""
        look, id = self._look, promise.promise_id
        look.promises[id], look.known[asked.scope, asked.key] = promise, Remembered(fingerprint, receipt, customer_id=promise.said.customer_id)
        if asked.thing:
            look.alike[asked.thing] = id
        if asked.words:
            self.batch.words.append((id, promise.seq, *asked.words))
        self._keep_salt(asked)
        self.batch.entries.append(Entry(asked, promise, receipt, fingerprint, line, standing, look.made[id]))

    def _keep_salt(self, asked: Asked) -> None:
        if asked.customer_id and asked.customer_id not in self._look.salts:
            self._look.salts[asked.customer_id] = self.batch.salts[asked.customer_id] = asked.customer_salt


def _refused(refusal: Refusal) -> Refused:
    return Refused(refusal.slug, refusal.status, refusal.sentence, dict(refusal.facts))


def thing_of(asked: Make) -> bytes:
    """What makes two promises look like the same one: customer, order, kind, goods and amount."""
    fact = asked.made
    goods = [(duty.sku, duty.amount_minor) for duty in fact.duties]
    return sha256(canonical([fact.customer_id, fact.order_id, fact.kind, fact.amount_minor, fact.quantity, goods])).digest()[:16]
