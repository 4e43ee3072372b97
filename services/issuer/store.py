"""Staff, storefronts and revocations in PostgreSQL. What changes what somebody may revokes their tokens in the same transaction."""

from dataclasses import dataclass
from datetime import datetime

from services.issuer.domain import Staff, Storefront, counts_from
from services.kit.clock import record_now
from services.kit.database import Transaction
from services.kit.revocations import SUBJECT_REVOKED, TOPIC, SubjectRevoked
from services.kit.values import Cause

_STAFF = "select badge, name, role, site, active from staff where badge = $1 for update"
_PUT_STAFF = """
insert into staff (badge, name, role, site, active) values ($1, $2, $3, $4, $5)
on conflict (badge) do update set name = excluded.name, role = excluded.role, site = excluded.site, active = excluded.active"""
_PIN = "update staff set pin_hash = $2 where badge = $1 returning badge"
_STOREFRONT = "select client_id, channel, active from storefronts where client_id = $1 for update"
_PUT_STOREFRONT = """
insert into storefronts (client_id, channel, active) values ($1, $2, $3)
on conflict (client_id) do update set channel = excluded.channel, active = excluded.active"""
_SECRET = "update storefronts set secret_hash = $2 where client_id = $1 returning client_id"  # noqa: S105  # a statement
_REVOKE = """
insert into subjects as s (subject, version, not_before) values ($1, 1, $2)
on conflict (subject) do update set version = s.version + 1, not_before = greatest(s.not_before, excluded.not_before)
returning version, not_before"""


@dataclass(frozen=True, slots=True)
class Store:
    """In one transaction."""

    work: Transaction
    cause: Cause

    async def staff(self, badge: str) -> Staff | None:
        row = await self.work.connection.fetchrow(_STAFF, badge)
        return Staff(**dict(row)) if row else None

    async def put_staff(self, who: Staff) -> None:
        await self.work.connection.execute(_PUT_STAFF, who.badge, who.name, who.role, who.site, who.active)

    async def set_pin(self, badge: str, pin_hash: str) -> bool:
        """Whether there is such a badge."""
        return await self.work.connection.fetchval(_PIN, badge, pin_hash) is not None

    async def storefront(self, client_id: str) -> Storefront | None:
        row = await self.work.connection.fetchrow(_STOREFRONT, client_id)
        return Storefront(**dict(row)) if row else None

    async def put_storefront(self, which: Storefront) -> None:
        await self.work.connection.execute(_PUT_STOREFRONT, which.client_id, which.channel, which.active)

    async def set_secret(self, client_id: str, secret_hash: str) -> bool:
        """Whether there is such a client."""
        return await self.work.connection.fetchval(_SECRET, client_id, secret_hash) is not None

    async def revoke(self, subject: str) -> datetime:
        """Tokens of this subject count from the instant that is returned; all services are told."""
        row = await self.work.connection.fetchrow(_REVOKE, subject, counts_from(record_now()))
        assert row is not None, "an upsert returns its row"
        told = SubjectRevoked(subject, row["not_before"])
        self.work.say(TOPIC, SUBJECT_REVOKED, told, key=subject, cause=self.cause, version=row["version"])
        return told.not_before
