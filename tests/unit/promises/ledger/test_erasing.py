"""A customer's words are erased, or nothing is: decided among the other commands of a batch."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

import pytest

from services.kit.canonical import canonical
from services.kit.ids import uuid7
from services.kit.merkle import Frontier
from services.kit.promise.line import NAMES, body_of, digest_of, read_line
from services.kit.promise.state import Erased, Evidenced, Promise, Verdict, after
from services.promises.ledger.batch import Batch, Head, Look, Wanted, settle
from services.promises.ledger.domain.commands import Erase, OpenPromises, decide
from services.promises.ledger.verification import verify
from tests.unit.promises.ledger.asking import AGENT, CUSTOMER, MADE, NOW, acknowledged, erasure, make, released, voided


class Deciding:
    """Batches one after the other on what was known after the one before."""

    def __init__(self) -> None:
        self.look = Look({}, {}, {}, {}, {})
        self.head = Head(datetime(1970, 1, 1, tzinfo=UTC), Frontier())
        self.lines: list[bytes] = []

    def settle(self, *wanted: Wanted) -> Batch:
        batch = settle(wanted, self.look, self.head, NOW)
        self.head = batch.head
        self.lines += [entry.line for entry in batch.entries]
        return batch


@pytest.fixture
def deciding() -> Deciding:
    return Deciding()


def test_each_promise_of_the_customer_gets_an_entry_and_nobody_else_s(deciding: Deciding) -> None:
    first, second, other = uuid7(), uuid7(), uuid7()
    deciding.settle(make(first), make(second, order_id=uuid7()), make(other, customer_id=uuid7()), voided(first), voided(second), voided(other))
    batch = deciding.settle(erasure(key="e-1"))
    assert sorted(entry.promise.promise_id for entry in batch.entries) == sorted([first, second])
    assert [read_line(entry.line).kind for entry in batch.entries] == [NAMES[Erased]] * 2
    assert {entry.promise.stands.verdict for entry in batch.entries} == {Verdict.VOID}
    assert sorted(batch.erased) == sorted([first, second])
    done = batch.answers[0].erasure
    assert done is not None
    assert (done.customer_id, done.key, done.position, done.promises) == (CUSTOMER, "e-1", 8, 2)
    assert verify(deciding.lines).fault is None


def test_one_open_promise_and_nothing_is_erased_or_remembered(deciding: Deciding) -> None:
    settled, still = uuid7(), uuid7()
    deciding.settle(make(settled), make(still, order_id=uuid7()), voided(settled))
    batch = deciding.settle(erasure(key="e-1"))
    refused = batch.answers[0].refused
    assert refused is not None
    assert (refused.slug, refused.status, refused.facts) == ("open-promises", 409, {"promises": [str(still)]})
    assert not batch.writes
    deciding.settle(voided(still))
    assert deciding.settle(erasure(key="e-1")).answers[0].erasure is not None


def test_words_of_the_same_batch_are_not_written_and_no_salt_is_kept(deciding: Deciding) -> None:
    id, other = uuid7(), uuid7()
    batch = deciding.settle(make(id), released(id), make(other, customer_id=(stays := uuid7())), erasure())
    assert [each[0] for each in batch.words] == [other]
    assert [*batch.salts] == [stays]
    assert CUSTOMER not in deciding.look.salts


def test_a_promise_to_an_erased_customer_is_refused_and_nothing_is_kept_of_it(deciding: Deciding) -> None:
    batch = deciding.settle(erasure(), again := make())
    refused = batch.answers[1].refused
    assert refused is not None
    assert (refused.slug, refused.status) == ("customer-erased", 409)
    assert (batch.refusals, batch.words, batch.salts) == ([], [], {})
    (second,) = deciding.settle(again).answers
    assert second == batch.answers[1]


def test_a_second_erasure_finds_the_first_and_a_used_key_is_no_other_customer_s(deciding: Deciding) -> None:
    batch = deciding.settle(erasure(key="e-1"), erasure(key="e-1"), erasure(key="e-2"), erasure(uuid7(), key="e-1"))
    first, same, other, reused = batch.answers
    assert first.erasure == same.erasure == other.erasure == reused.erasure
    assert [(each.replayed, each.reused) for each in batch.answers] == [(False, False), (True, False), (True, False), (False, True)]
    assert len(batch.erasures) == 1


def test_the_key_of_an_erased_entry_stands_for_nothing_any_more_whoever_asks(deciding: Deciding) -> None:
    id = uuid7()
    made, ended = make(id, "k-1"), voided(id, key="k-2")
    refused = make(id, "k-3")
    deciding.settle(made, ended, refused)
    other = make(key="k-1", customer_id=uuid7())
    answers = deciding.settle(erasure(), made, ended, refused, other).answers[1:]
    assert [each.refused and (each.refused.slug, each.refused.status) for each in answers] == [("erased", 410)] * 4


def test_what_is_said_without_words_of_an_erased_promise_still_counts(deciding: Deciding) -> None:
    id = uuid7()
    deciding.settle(make(id), voided(id), erasure())
    batch = deciding.settle(acknowledged(id))
    assert batch.entries[0].promise.stands.erased
    assert batch.entries[0].promise.stands.received


def test_a_no_to_an_erased_customer_s_command_is_not_remembered(deciding: Deciding) -> None:
    id = uuid7()
    deciding.settle(make(id), voided(id), erasure())
    batch = deciding.settle(released(id))
    assert batch.answers[0].refused is not None
    assert not batch.writes


def test_only_what_is_settled_is_erased_and_only_once() -> None:
    id = UUID("019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a77")
    promise = Promise(id, 1, MADE)
    with pytest.raises(OpenPromises):
        decide(promise, Erase(), NOW)
    kept = after(promise, Evidenced("hand_over_scan", "scan-1", 1, NOW), "delivery", NOW)
    fact = decide(kept, Erase(), NOW)
    assert fact == Erased()
    gone = after(kept, fact, AGENT.department, NOW)
    assert (gone.stands.erased, gone.stands.verdict, gone.seq) == (True, Verdict.KEPT, 3)
    assert decide(gone, Erase(), NOW) is None


def test_a_promise_that_was_not_erased_has_the_digest_that_it_had_before_there_was_erasure() -> None:
    extra = 'a text with "erased":false, in it'
    promise = Promise(UUID("019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a77"), 1, MADE)
    assert digest_of(promise).hex() == "d41c1ef976eb9a93591c16be6330b28714b8708d29197a479ec9aa31e0e737f4"
    quoting = replace(promise, said=replace(MADE, extra=extra))
    told = json.loads(canonical(quoting))
    assert told["said"]["extra"] == extra
    del told["stands"]["erased"]
    assert digest_of(quoting) == sha256(canonical(told)).digest()
    gone = replace(promise, stands=replace(promise.stands, erased=True))
    assert digest_of(gone) == sha256(canonical(gone)).digest() != digest_of(promise)
    for each in (promise, quoting, gone):
        assert digest_of(each, body_of(each.said)) == digest_of(each)
    assert digest_of(promise, body_of(quoting.said)) != digest_of(promise)
