"""Whether a ledger is what it was: every line, in its order, against the tree, the state that it leads to, and what witnesses saw of it.

It needs the lines alone, so that an export can be checked by whoever holds one. What it finds is the position of the first entry that is wrong.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from hashlib import blake2b
from itertools import islice

import msgspec

from services.kit.canonical import canonical
from services.kit.merkle import Frontier, leaf_hash
from services.kit.notes import Checkpoint
from services.kit.promise.line import NAMES, Line, digest_over, fact_of, read_line
from services.kit.promise.state import Made, Standing, stands_after

_AT_ONCE = 4096
_UNREADABLE = (ValueError, msgspec.DecodeError, RecursionError)
_read_made = msgspec.json.Decoder(Made).decode
_MADE = NAMES[Made]
_NOT_MADE = b"", 0, Standing()
_JUST_MADE = canonical(Standing())
_NO_LINE = "It is not the line of an entry."


Columns = tuple[int, bytes, int, datetime, str, str, bytes, bytes]
"""What the database keeps beside a line to find it by: position, promise_id, seq, recorded_at, scope, key, fingerprint, state_digest."""


class _By(msgspec.Struct):
    department: str


class _Meaning(msgspec.Struct):
    """What of a line its promise's state follows from. All of it, and what a promise says, is read by `Ordering`."""

    actor: _By
    body: msgspec.Raw
    kind: str
    promise_id: str
    recorded_at: datetime
    seq: int
    state_digest: bytes


_read_meaning = msgspec.json.Decoder(_Meaning).decode


@dataclass(frozen=True, slots=True)
class Fault:
    """The entry at `position`, from 1, is wrong, or missing where the ledger is too short: `what` is one sentence."""

    position: int
    what: str


@dataclass(frozen=True, slots=True)
class Verified:
    """How far the lines reach, their root, and the first fault, if there is one."""

    size: int
    root: bytes
    fault: Fault | None


def verify(lines: Iterable[bytes], *, leaf_hashes: Iterable[bytes] | None = None, witnessed: Sequence[Checkpoint] = ()) -> Verified:
    """Look at every line, without its line break. `leaf_hashes` are those that an export carries or a view has kept: with them a changed byte is
    named wherever it stands; `witnessed` what others saw of this ledger: without them nobody can tell that its end was cut off."""
    hashing, ordering, replaying = Hashing(leaf_hashes, witnessed), Ordering(), Replaying()
    for some in pieces(lines):
        ordering.take(some)
        replaying.take(some)
        fault = earliest(ordering.fault, replaying.fault)
        hashing.take(some[: fault.position - 1 - hashing.frontier.size] if fault else some)
        if hashing.fault or fault:
            return joined(hashing.close(cut=fault is not None), fault)
    return hashing.close()


def joined(hashed: Verified, fault: Fault | None) -> Verified:
    """What two passes found: of their faults the first."""
    return replace(hashed, fault=earliest(hashed.fault, fault))


def earliest(*faults: Fault | None) -> Fault | None:
    """The one at the lowest position; of several at the same the one that is named first."""
    return min((fault for fault in faults if fault), key=lambda fault: fault.position, default=None)


def pieces(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines, some thousand at a time."""
    source = iter(lines)
    while some := list(islice(source, _AT_ONCE)):
        yield some


class Hashing:
    """The bytes of the lines: each against its leaf hash, all of them against the roots that were seen."""

    def __init__(self, leaf_hashes: Iterable[bytes] | None = None, witnessed: Sequence[Checkpoint] = ()) -> None:
        self._hashes = iter(leaf_hashes) if leaf_hashes is not None else None
        self._witnessed = witnessed
        self.frontier = Frontier()
        self.fault: Fault | None = None

    def take(self, lines: Sequence[bytes]) -> None:
        """The next lines."""
        leaves = [leaf_hash(line) for line in lines]
        if self._hashes is not None:
            kept = list(islice(self._hashes, len(leaves)))
            if kept != leaves:
                same = next(at for at, leaf in enumerate(leaves) if kept[at : at + 1] != [leaf])
                self._blame(self.frontier.size + same + 1, "Its bytes are not those that were hashed when it was written.")
                leaves = leaves[:same]
        self._grow(leaves)

    def close(self, *, cut: bool = False) -> Verified:
        """What was found; `cut`: there are more lines, which were not taken."""
        if not cut and self.fault is None:
            if self._hashes is not None and next(self._hashes, None) is not None:
                self._blame(self.frontier.size + 1, "The list of leaf hashes goes on where the ledger ends: entries are missing.")
            for checkpoint in self._witnessed:
                if checkpoint.size > self.frontier.size:
                    self._blame(self.frontier.size + 1, f"The ledger ends here, and a witness saw {checkpoint.size} entries of it.")
        return Verified(self.frontier.size, self.frontier.root(), self.fault)

    def _grow(self, leaves: Sequence[bytes]) -> None:
        """Up to each size that somebody witnessed, and there compare."""
        start, end = self.frontier.size, self.frontier.size + len(leaves)
        stops = sorted({checkpoint.size for checkpoint in self._witnessed if start < checkpoint.size <= end} | {end})
        for stop in stops:
            self.frontier, _ = self.frontier.grown(leaves[self.frontier.size - start : stop - start])
            for checkpoint in self._witnessed:
                if checkpoint.size == stop and checkpoint.root != self.frontier.root():
                    self._blame(stop, f"Up to here the ledger is not the one that a witness saw at {checkpoint.size} entries.")

    def _blame(self, position: int, what: str) -> None:
        if self.fault is None or position < self.fault.position:
            self.fault = Fault(position, what)


class _LineByLine(ABC):
    """Reads lines in their order, up to the first that is wrong."""

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self._position = 0

    def take(self, lines: Sequence[bytes]) -> None:
        """The next lines."""
        for line in lines:
            if self.fault is not None:
                return
            self._position += 1
            what = self._fault_of(line)
            if what is not None:
                self.fault = Fault(self._position, what)

    @abstractmethod
    def _fault_of(self, raw: bytes) -> str | None:
        """What is wrong with the line at this position."""


class Ordering(_LineByLine):
    """Each line is one, and follows the one before it: position, time, and a key that none before it has. What promises say is read here, so that two
    processes have as much to do. `beside` are the columns that repeat parts of each line: `differs` becomes the position of the first that are not
    those of their line."""

    def __init__(self, beside: Iterable[Columns] | None = None) -> None:
        super().__init__()
        self._beside = iter(beside) if beside is not None else None
        self.differs: int | None = None
        self._recorded_at: datetime | None = None
        self._keys: set[bytes] = set()

    def _fault_of(self, raw: bytes) -> str | None:
        try:
            line = read_line(raw)
            if line.kind == _MADE:
                line.fact()
        except _UNREADABLE:
            return _NO_LINE
        if self._beside is not None and _repeated(line) != next(self._beside) and self.differs is None:
            self.differs = self._position
        if line.position != self._position:
            return f"It has the position {line.position}."
        if self._recorded_at is not None and line.recorded_at <= self._recorded_at:
            return "It was recorded no later than the one before it."
        self._recorded_at = line.recorded_at
        key = blake2b(f"{line.scope}\0{line.key}".encode(), digest_size=16).digest()
        if key in self._keys:
            return "An entry before it has its key."
        self._keys.add(key)
        return None


def _repeated(line: Line) -> Columns:
    return line.position, line.promise_id.bytes, line.seq, line.recorded_at, line.scope, line.key, line.fingerprint, line.state_digest


class Replaying(_LineByLine):
    """The meaning of the lines: each is the next entry of its promise, and leads to the state that it was written with."""

    def __init__(self) -> None:
        super().__init__()
        self._promises: dict[str, tuple[bytes, int, Standing]] = {}
        """What was said, as it stands in its line and is read again: of very many promises their objects would fill the memory."""

    def _fault_of(self, raw: bytes) -> str | None:
        try:
            line = _read_meaning(raw)
            fact = None if line.kind == _MADE else fact_of(line.kind, line.body)
            said, seq, stands = self._promises.get(line.promise_id, _NOT_MADE)
            if (fact is None) != (seq == 0) or line.seq != seq + 1:
                return "It is not the next entry of its promise."
            if fact is None:
                said = bytes(line.body)
            else:
                stands = stands_after(stands, partial(_read_made, said), fact, line.seq, line.actor.department, line.recorded_at)
        except _UNREADABLE:
            return _NO_LINE
        self._promises[line.promise_id] = said, line.seq, stands
        digest = digest_over(line.promise_id, said, line.seq, _JUST_MADE if fact is None else canonical(stands))
        return None if digest == line.state_digest else "The state that its promise then has is not the one it was written with."
