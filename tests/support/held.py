"""What the database hashes of the promises of a bucket, written once more: for where there is no database, and to compare the two."""

from collections import defaultdict
from collections.abc import Iterable
from hashlib import sha256

from services.kit.promise.agreement import Hashed, Held, bucket_of


def hashed(held: Iterable[Held]) -> list[Hashed]:
    """The buckets that hold these promises."""
    found = defaultdict[int, list[Held]](list)
    for each in held:
        found[bucket_of(each.promise_id)].append(each)
    return [Hashed(bucket, len(some), sha256(b"".join(map(_bytes, sorted(some)))).digest()) for bucket, some in found.items()]


def _bytes(held: Held) -> bytes:
    return held.promise_id.bytes + held.seq.to_bytes(4) + held.state_digest
