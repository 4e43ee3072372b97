"""Where messages begin in the two protocols, and which of them answer something that was done: a Produce request, a COMMIT.

Only heads are read. A head that is cut at the end of a chunk is held back until the rest of it comes, everything else passes as it is.
"""

from collections.abc import Callable
from struct import Struct
from typing import Protocol

Lose = Callable[[], bool]
"""Asked once per such answer: shall it be lost?"""

_ASKED, _ANSWERED, _LENGTH = Struct(">ihhi"), Struct(">ii"), Struct(">i")
_PRODUCE = 0
_COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"
_HEAD = 5
_PLAIN, _ENCRYPTED = b"N", b"SG"


class Speech(Protocol):
    """What is said on one connection."""

    def ask(self, data: bytes) -> bytes:
        """The client's next bytes. Returns what may be passed on."""

    def answer(self, data: bytes, lose: Lose) -> bytes | None:
        """The server's next bytes. Returns what may be passed on; None where an answer among them is to be lost."""


class Unread:
    """A protocol of which nothing is known."""

    def ask(self, data: bytes) -> bytes:
        return data

    def answer(self, data: bytes, lose: Lose) -> bytes:
        return data


class Kafka:
    """Requests and answers are frames of a length and a head; an answer names its request by a number."""

    def __init__(self) -> None:
        self._asked, self._answered = _Stream(), _Stream()
        self._produces: set[int] = set()

    def ask(self, data: bytes) -> bytes:
        data, at = self._asked.take(data)
        while at + _ASKED.size <= len(data):
            length, key, _, number = _ASKED.unpack_from(data, at)
            if key == _PRODUCE:
                self._produces.add(number)
            at += 4 + length
        return self._asked.keep(data, at)

    def answer(self, data: bytes, lose: Lose) -> bytes | None:
        data, at = self._answered.take(data)
        while at + _ANSWERED.size <= len(data):
            length, number = _ANSWERED.unpack_from(data, at)
            if number in self._produces:
                self._produces.remove(number)
                if lose():
                    return None
            at += 4 + length
        return self._answered.keep(data, at)


class Postgres:
    """Whether a COMMIT came by simple or extended query: its answer is one message, sent once the transaction is durable."""

    def __init__(self) -> None:
        self._answered = _Stream()
        self._begun = self._encrypted = False

    def ask(self, data: bytes) -> bytes:
        return data

    def answer(self, data: bytes, lose: Lose) -> bytes | None:
        if self._encrypted:
            return data
        data, at = self._answered.take(data)
        if not self._begun:
            at = self._greeted(data, at)
        while at + _HEAD <= len(data):
            if data.startswith(_COMMITTED[:_HEAD], at):
                if at + len(_COMMITTED) > len(data):
                    break
                if data.startswith(_COMMITTED, at) and lose():
                    return None
            at += 1 + int(_LENGTH.unpack_from(data, at + 1)[0])
        return self._answered.keep(data, at)

    def _greeted(self, data: bytes, at: int) -> int:
        """A client that would like to encrypt is answered by one letter alone, before the first message."""
        while data[at : at + 1] == _PLAIN:
            at += 1
        if at < len(data):
            self._begun, self._encrypted = True, data[at] in _ENCRYPTED
        return len(data) if self._encrypted else at


class _Stream:
    """Chunks of one way, read message by message."""

    def __init__(self) -> None:
        self._cut, self._ahead = b"", 0

    def take(self, data: bytes) -> tuple[bytes, int]:
        """The chunk, with what was held back before it, and where the next message begins (it may lie beyond)."""
        at, self._ahead = self._ahead, 0
        data, self._cut = self._cut + data, b""
        return data, at

    def keep(self, data: bytes, at: int) -> bytes:
        """Note that the next message begins there. Returns the chunk without a head that is cut."""
        self._ahead = max(0, at - len(data))
        self._cut = data[at:]
        return data[:at]


SPEECHES: dict[str, Callable[[], Speech]] = {"kafka": Kafka, "postgres": Postgres, "": Unread}
"""What a link may speak."""
