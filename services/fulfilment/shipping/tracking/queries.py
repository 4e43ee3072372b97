"""What carriers said that changed nothing, and why."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.kit.database import Transaction

_SET_ASIDE = """
select carrier, event_id, tracking_number, kind, occurred_at, received_at, parcel_id, set_aside as reason
from carrier_events where set_aside is not null order by received_at desc, carrier, event_id limit $1"""


@dataclass(frozen=True, slots=True)
class SetAsideView:
    """One event of a carrier. `parcel_id` where the number is one of ours."""

    carrier: str
    event_id: str
    tracking_number: str
    kind: str
    occurred_at: datetime
    received_at: datetime
    parcel_id: UUID | None
    reason: str


async def set_aside(work: Transaction, limit: int) -> list[SetAsideView]:
    """The newest ones."""
    return [SetAsideView(**dict(row)) for row in await work.connection.fetch(_SET_ASIDE, limit)]
