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


@dataclass(frozen=True, slots=True)
class Refused:
    """A no by the state, as it is remembered and given again."""

    slug: str
    status: int
    sentence: str
    facts: dict[str, object]


read_refused = msgspec.json.Decoder(Refused).decode
