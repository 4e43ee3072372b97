"""What the ledger's writer answers: a receipt for an entry, or a no by the state, which is remembered as well."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec


class Receipt(NamedTuple):
    """What the writer answers for an entry. The same for each repetition of the command."""

    position: int
    promise_id: UUID
    seq: int
    recorded_at: datetime
    state_digest: bytes
    leaf_hash: bytes


class Erasure(NamedTuple):
    """A customer whose personal data was erased, by which request. From `position` on the ledger holds none of it: there stands the last of the
    entries that tell of it, one for each of the customer's `promises`; the ledger's end where there were none."""

    customer_id: UUID
    scope: str
    key: str
    position: int
    promises: int
    erased_at: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """A no by the state, as it is remembered and given again."""

    slug: str
    status: int
    sentence: str
    facts: dict[str, object]


read_refused = msgspec.json.Decoder(Refused).decode
