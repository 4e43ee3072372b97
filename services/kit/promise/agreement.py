"""Do two holders of promises hold the same? Hashes over buckets of promises, over groups of buckets, and a root: equal roots, equal promises.

A promise's bucket is told by the SHA-256 of its id (ids begin with the time of day, so that they would all be neighbours). What differs is found by
asking for the groups, then for the buckets of one group, then for the promises of one bucket.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

BUCKETS = 65_536
IN_GROUP = 256
MOST_MENDED = 1_000
"""Promises that one report may name as put anew."""


class Held(NamedTuple):
    """One promise as a holder has it after its entry `seq`."""

    promise_id: UUID
    seq: int
    state_digest: bytes


BUCKET_COLUMN = """bucket int not null generated always as
            (get_byte(sha256(uuid_send(promise_id)), 0) << 8 | get_byte(sha256(uuid_send(promise_id)), 1)) stored"""
"""`bucket_of` as a column beside a promise_id."""


WHOLE_TABLE = "set local statement_timeout = '10min'; set local enable_seqscan = on"
"""Before a statement that reads a whole table: it takes its time, and goes by no index, by which it would read each page many times."""


def bucket_of(promise_id: UUID) -> int:
    """0 to 65,535."""
    return int.from_bytes(sha256(promise_id.bytes).digest()[:2])


def hashed(held: str) -> str:
    """The statement that gives `Hashed` of what this one gives (bucket, promise_id, seq, state_digest): SHA-256 over the promises of a bucket, in the
    order of their ids. The database does it: a million promises would else go through the memory of a process. It sorts digests, not whole rows
    (`offset 0`)."""
    each = "uuid_send(promise_id) || int4send(seq) || state_digest"
    per_bucket = f"bucket, count(*), sha256(string_agg({each}, ''::bytea order by promise_id))"
    return f"select {per_bucket} from ({held} offset 0) as held group by bucket"  # noqa: S608  # ours


class Hashed(NamedTuple):
    """One bucket that holds so many promises."""

    bucket: int
    promises: int
    hash: bytes


class Buckets:
    """The hashes of all buckets of one holder; an empty bucket has none."""

    def __init__(self) -> None:
        self.hashes: dict[int, bytes] = {}
        self.counts: dict[int, int] = {}
        self._groups: dict[int, bytes] = {}
        self._stale: set[int] = set()

    def put(self, buckets: Iterable[int], hashed: Iterable[Hashed]) -> None:
        """These buckets hold what hashes so, and those that are not told of hold nothing."""
        found = {bucket: (hash, count) for bucket, count, hash in hashed}
        for bucket in buckets:
            self._put(bucket, *found.get(bucket, (None, 0)))

    def _put(self, bucket: int, hash: bytes | None, count: int) -> None:
        if self.hashes.get(bucket) == hash:
            return
        self._stale.add(bucket // IN_GROUP)
        if hash is None:
            del self.hashes[bucket], self.counts[bucket]
        else:
            self.hashes[bucket], self.counts[bucket] = hash, count

    def copy(self) -> "Buckets":
        """One that changes by itself."""
        other = Buckets()
        other.hashes, other.counts, other._groups, other._stale = dict(self.hashes), dict(self.counts), dict(self._groups), set(self._stale)
        return other

    @property
    def count(self) -> int:
        """How many promises there are."""
        return sum(self.counts.values())

    def groups(self) -> Mapping[int, bytes]:
        """The hash of each group of 256 buckets that holds anything."""
        for group in self._stale:
            some = self.of_group(group)
            self._groups.pop(group, None)
            if some:
                self._groups[group] = sha256(b"".join(bucket.to_bytes(2) + hashed for bucket, hashed in sorted(some.items()))).digest()
        self._stale.clear()
        return self._groups

    def of_group(self, group: int) -> dict[int, bytes]:
        """The hashes of its buckets that hold anything."""
        return {bucket: self.hashes[bucket] for bucket in range(group * IN_GROUP, (group + 1) * IN_GROUP) if bucket in self.hashes}

    def root(self) -> bytes:
        """Over all of it."""
        return sha256(b"".join(group.to_bytes(1) + hashed for group, hashed in sorted(self.groups().items()))).digest()


def differing(mine: Mapping[int, bytes], theirs: Mapping[int, bytes]) -> list[int]:
    """The numbers under which the two do not have the same."""
    return sorted(number for number in mine.keys() | theirs.keys() if mine.get(number) != theirs.get(number))
