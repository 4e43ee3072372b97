"""Pull-backs to look at: what lies on carts and belongs in a bin."""

from typing import Any
from uuid import UUID

from services.kit.database import Transaction

_OPEN = """
select p.pull_back_id, p.order_id, p.task_id, p.site, p.sku, coalesce(i.description, '') as description, p.bin, p.quantity, p.since
from pull_backs p left join items i using (sku)
where p.done_at is null and ($1::text is null or p.site = $1)
and ($2::uuid is null or (p.since, p.pull_back_id) > (select since, pull_back_id from pull_backs where pull_back_id = $2))
order by p.since, p.pull_back_id limit $3"""


async def open_pull_backs(work: Transaction, site: str | None, after: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Units that wait to be put away, the longest first; `after` continues behind that one."""
    return [dict(row) for row in await work.connection.fetch(_OPEN, site, after, limit)]
