"""What is read outside a change: lists without secrets, and the hash to check a secret with."""

from collections.abc import Sequence
from dataclasses import asdict

from services.issuer.domain import PEOPLE, STOREFRONTS, Grant, Staff, Storefront
from services.kit.database import Database

_STAFF = "select badge, name, role, site, active from staff where badge > $1 order by badge limit $2"
_STOREFRONTS = "select client_id, channel, active from storefronts where client_id > $1 order by client_id limit $2"
_BADGE = """
select pin_hash, badge, role, site, not_before from staff left join subjects on subject = badge
where badge = $1 and active and pin_hash is not null"""
_CLIENT = """
select secret_hash, client_id, channel, not_before from storefronts left join subjects on subject = client_id
where client_id = $1 and active and secret_hash is not null"""


async def staff(database: Database, after: str, limit: int) -> Sequence[dict[str, object]]:
    return [asdict(Staff(**dict(row))) for row in await database.pool.fetch(_STAFF, after, limit)]


async def storefronts(database: Database, after: str, limit: int) -> Sequence[dict[str, object]]:
    return [asdict(Storefront(**dict(row))) for row in await database.pool.fetch(_STOREFRONTS, after, limit)]


async def by_badge(database: Database, badge: str) -> tuple[str, Grant] | None:
    """The hash of the PIN, and what a token would say; None where nobody with this badge may sign in."""
    row = await database.pool.fetchrow(_BADGE, badge)
    return (row["pin_hash"], Grant(row["badge"], row["role"], PEOPLE, row["not_before"], site=row["site"])) if row else None


async def by_client(database: Database, client_id: str) -> tuple[str, Grant] | None:
    """The hash of the secret, and what a token would say; None where no such storefront may sign in."""
    row = await database.pool.fetchrow(_CLIENT, client_id)
    return (row["secret_hash"], Grant(row["client_id"], "storefront", STOREFRONTS, row["not_before"], channel=row["channel"])) if row else None
