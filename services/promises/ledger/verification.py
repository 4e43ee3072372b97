"""Whether a ledger is what it was: every line, in its order, against the tree, the state that it leads to, and what witnesses saw of it.

It needs the lines alone, so that an export can be checked by whoever holds one. What it finds is the position of the first entry that is wrong.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from itertools import islice
from uuid import UUID

import msgspec

from services.kit.merkle import Frontier, leaf_hash
from services.kit.notes import Checkpoint
from services.kit.promise.line import digest_of, read_line
from services.kit.promise.state import Made, Promise, after

_AT_ONCE = 4096


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
    hashing, replaying = Hashing(leaf_hashes, witnessed), Replaying()
    for some in pieces(lines):
        replaying.take(some)
        hashing.take(some[: replaying.whole - hashing.frontier.size] if replaying.fault else some)
        if hashing.fault or replaying.fault:
            break
    return joined(hashing.close(cut=replaying.fault is not None), replaying.fault)


def joined(hashed: Verified, replayed: Fault | None) -> Verified:
    """What both passes found: of two faults the first."""
    if replayed is None or (hashed.fault is not None and hashed.fault.position <= replayed.position):
        return hashed
    return replace(hashed, fault=replayed)


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
            same = next((at for at, leaf in enumerate(leaves) if kept[at : at + 1] != [leaf]), len(leaves))
            if same < len(leaves):
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


class Replaying:
    """The meaning of the lines: each follows those before it, and leads to the state that it was written with. `whole` are those without a fault."""

    def __init__(self) -> None:
        self.whole = 0
        self.fault: Fault | None = None
        self._recorded_at: datetime | None = None
        self._promises: dict[UUID, tuple[Promise, bytes]] = {}
        self._keys: set[bytes] = set()

    def take(self, lines: Sequence[bytes]) -> None:
        """The next lines, up to the first that is wrong."""
        for line in lines:
            what = self._fault_of(line)
            if what is not None:
                self.fault = Fault(self.whole + 1, what)
                return
            self.whole += 1

    def _fault_of(self, raw: bytes) -> str | None:
        """What is wrong with this line by itself, and after those before it."""
        try:
            line = read_line(raw)
            fact = line.fact()
        except (ValueError, msgspec.DecodeError, RecursionError):
            return "It is not the line of an entry."
        if line.position != self.whole + 1:
            return f"It has the position {line.position}."
        if self._recorded_at is not None and line.recorded_at <= self._recorded_at:
            return "It was recorded no later than the one before it."
        self._recorded_at = line.recorded_at
        key = blake2b(f"{line.scope}\0{line.key}".encode(), digest_size=16).digest()
        if key in self._keys:
            return "An entry before it has its key."
        self._keys.add(key)
        before, said = self._promises.get(line.promise_id, (None, b""))
        if before is None and isinstance(fact, Made) and line.seq == 1:
            promise, said = Promise(line.promise_id, 1, fact), bytes(line.body)
        elif before is not None and not isinstance(fact, Made) and line.seq == before.seq + 1:
            promise = after(before, fact, line.actor.department, line.recorded_at)
        else:
            return "It is not the next entry of its promise."
        self._promises[line.promise_id] = promise, said
        return None if digest_of(promise, said) == line.state_digest else "The state that its promise then has is not the one it was written with."
