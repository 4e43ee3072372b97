"""Which answers the proxy takes for those of a Produce request or a COMMIT, however the bytes are cut into chunks."""

import struct
from collections.abc import Iterator

import pytest

from chaos.proxy.frames import Kafka, Postgres, Speech

PRODUCE, FETCH = 0, 1


def request(key: int, number: int, body: bytes = b"") -> bytes:
    head = struct.pack(">hhi", key, 9, number) + body
    return struct.pack(">i", len(head)) + head


def reply(number: int, body: bytes = b"") -> bytes:
    return struct.pack(">ii", 4 + len(body), number) + body


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack(">i", 4 + len(body)) + body


def in_chunks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


class Asked:
    """Answers whether a reply is to be lost, and notes how often it was asked."""

    def __init__(self, *answers: bool) -> None:
        self.answers, self.times = list(answers), 0

    def __call__(self) -> bool:
        self.times += 1
        return self.answers.pop(0) if self.answers else False


def heard(speech: Speech, data: bytes, size: int, lose: Asked) -> tuple[bytes, bool]:
    """What is passed on of the server's bytes, and whether that ended with a lost answer."""
    passed = b""
    for chunk in in_chunks(data, size):
        some = speech.answer(chunk, lose)
        if some is None:
            return passed, True
        passed += some
    return passed, False


ASKED = request(FETCH, 1, b"f" * 30) + request(PRODUCE, 2, b"p" * 50) + request(FETCH, 3) + request(PRODUCE, 4, b"q" * 20)
FETCHED, PRODUCED = reply(1, b"F" * 40), reply(2, b"P" * 9)
ANSWERED = FETCHED + PRODUCED + reply(3) + reply(4, b"Q")
SIZES = [1, 2, 3, 5, 7, 8, 11, 12, 13, 1000]


@pytest.mark.parametrize("size", SIZES)
def test_every_answer_to_a_produce_request_is_seen_and_all_bytes_pass(size: int) -> None:
    speech, lose = Kafka(), Asked()
    assert b"".join(speech.ask(chunk) for chunk in in_chunks(ASKED, size)) == ASKED
    assert heard(speech, ANSWERED, size, lose) == (ANSWERED, False)
    assert lose.times == 2


@pytest.mark.parametrize("size", SIZES)
def test_of_a_lost_answer_to_a_produce_request_no_byte_passes(size: int) -> None:
    speech, lose = Kafka(), Asked(True)
    for chunk in in_chunks(ASKED, size):
        speech.ask(chunk)
    passed, lost = heard(speech, ANSWERED, size, lose)
    assert lost
    assert FETCHED.startswith(passed)
    assert size > len(FETCHED) or passed == FETCHED[: len(passed)] != b""


def test_an_answer_may_come_in_another_order_and_a_number_may_be_used_again() -> None:
    speech, lose = Kafka(), Asked()
    speech.ask(request(PRODUCE, 5) + request(FETCH, 6))
    assert speech.answer(reply(6), lose) == reply(6)
    assert lose.times == 0
    assert speech.answer(reply(5), lose) == reply(5)
    speech.ask(request(FETCH, 5))
    assert speech.answer(reply(5), lose) == reply(5)
    assert lose.times == 1


STARTED = message(b"R", b"\0\0\0\0") + message(b"S", b"timezone\0UTC\0") + message(b"Z", b"I")
COMMIT = message(b"C", b"COMMIT\0")
SIMPLE = message(b"C", b"BEGIN\0") + message(b"Z", b"T") + message(b"C", b"UPDATE 1\0") + message(b"Z", b"T") + COMMIT + message(b"Z", b"I")
EXTENDED = message(b"1") + message(b"2") + COMMIT + message(b"Z", b"I")
NOT_COMMITTED = message(b"C", b"COPY 1\0") + message(b"C", b"ROLLBACK\0") + message(b"D", COMMIT) + message(b"Z", b"I")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("greeting", [b"", b"N", b"NN"])
def test_every_answer_to_a_commit_is_seen_and_all_bytes_pass(size: int, greeting: bytes) -> None:
    lose, said = Asked(), greeting + STARTED + NOT_COMMITTED + SIMPLE + EXTENDED
    assert heard(Postgres(), said, size, lose) == (said, False)
    assert lose.times == 2


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("committed", [SIMPLE, EXTENDED])
def test_of_a_lost_answer_to_a_commit_no_byte_passes(size: int, committed: bytes) -> None:
    before = STARTED + NOT_COMMITTED + committed[: committed.index(COMMIT)]
    passed, lost = heard(Postgres(), STARTED + NOT_COMMITTED + committed, size, Asked(True))
    assert lost
    assert before.startswith(passed)


def test_the_letter_that_refuses_encryption_is_passed_on_alone() -> None:
    speech = Postgres()
    assert speech.answer(b"N", Asked()) == b"N"
    assert speech.answer(b"N", Asked()) == b"N"
    assert speech.answer(STARTED, Asked()) == STARTED


def test_an_encrypted_session_passes_unread() -> None:
    speech, lose = Postgres(), Asked(True)
    assert speech.answer(b"S", lose) == b"S"
    assert speech.answer(COMMIT, lose) == COMMIT
    assert lose.times == 0
