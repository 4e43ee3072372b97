"""Whose tokens are not taken any more, heard by every service's worker into its own table: a service need not think of it.

The instant of a revocation only ever rises, so that order and repetition do not matter. APIs read the table (`services.kit.http.revoked`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

import msgspec

from services.kit.database import Transaction
from services.kit.envelope import Hears, Reads
from services.kit.stage import Stage
from services.kit.values import Heard

TOPIC = "issuer.revocation.v1"
SUBJECT_REVOKED = "issuer.SubjectRevoked.v1"

_NOTE = """
insert into revocations as r (subject, not_before)
select subject, max(not_before) from unnest($1::text[], $2::timestamptz[]) as n (subject, not_before) group by subject order by subject
on conflict (subject) do update set not_before = greatest(r.not_before, excluded.not_before)"""


@dataclass(frozen=True, slots=True)
class SubjectRevoked:
    """Tokens of this subject issued before this instant count for nothing."""

    subject: str
    not_before: datetime


class _Wire(msgspec.Struct):
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    not_before: Annotated[datetime, msgspec.Meta(tz=True)]


def _read(wire: _Wire) -> SubjectRevoked:
    return SubjectRevoked(wire.subject, wire.not_before)


HEARS: Hears = {SUBJECT_REVOKED: Reads(_Wire, _read, strict=True)}


def hearing_revocations(stage: Stage) -> Stage:
    """The stage, which hears revocations as well, in the same transactions; its own handler sees none of them."""

    async def handle(work: Transaction, batch: Sequence[Heard[Any]]) -> None:
        revoked = [heard.data for heard in batch if heard.type == SUBJECT_REVOKED]
        if revoked:
            work.write(_NOTE, [each.subject for each in revoked], [each.not_before for each in revoked])
        own = [heard for heard in batch if heard.type != SUBJECT_REVOKED] if revoked else batch
        if own:
            await stage.handle(work, own)

    return replace(stage, topics=(*stage.topics, TOPIC), hears={**stage.hears, **HEARS}, handle=handle)
