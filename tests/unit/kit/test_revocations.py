"""Every stage hears whose tokens are revoked, and no service's handler need know of it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from services.kit.database import Transaction
from services.kit.envelope import BadData, Reader
from services.kit.revocations import HEARS, SUBJECT_REVOKED, TOPIC, SubjectRevoked, hearing_revocations
from services.kit.stage import Stage
from services.kit.values import Cause, Heard
from tests.support.messages import TOLD_AT, TRACE, event_headers

ID = UUID(int=7 << 76)


def _heard(type: str, data: object) -> Heard[Any]:
    return Heard(ID, type, "s", 1, TOLD_AT, data, Cause(ID, ID, TRACE))


async def _handled(*batch: Heard[Any]) -> tuple[list[list[str]], list[tuple[object, ...]]]:
    """The types that the service's own handler saw, batch by batch, and the arguments of what was written beside."""
    seen: list[list[str]] = []
    written: list[tuple[object, ...]] = []

    async def own(work: Transaction, heard: Sequence[Heard[Any]]) -> None:
        seen.append([each.type for each in heard])

    stage = hearing_revocations(Stage("toy", ("toy.in.v1",), {"toy.Counted.v1": dict}, own, gather_seconds=0.5))
    assert (stage.topics, set(stage.hears), stage.gather_seconds) == (("toy.in.v1", TOPIC), {"toy.Counted.v1", SUBJECT_REVOKED}, 0.5)
    work = SimpleNamespace(write=lambda _, *arguments: written.append(arguments))
    await stage.handle(cast("Transaction", work), batch)
    return seen, written


async def test_the_services_handler_sees_its_own_events_alone() -> None:
    revoked = _heard(SUBJECT_REVOKED, SubjectRevoked("badge-1", TOLD_AT))
    own = _heard("toy.Counted.v1", {})
    assert await _handled(own, revoked, own) == ([["toy.Counted.v1"] * 2], [(["badge-1"], [TOLD_AT])])


async def test_a_batch_of_revocations_alone_is_none_to_the_service() -> None:
    seen, written = await _handled(_heard(SUBJECT_REVOKED, SubjectRevoked("badge-1", TOLD_AT)))
    assert (seen, len(written)) == ([], 1)


async def test_a_batch_without_revocations_writes_nothing() -> None:
    assert await _handled(_heard("toy.Counted.v1", {})) == ([["toy.Counted.v1"]], [])


def test_an_instant_with_its_offset_is_read() -> None:
    value = b'{"subject": "badge-1", "not_before": "2026-11-22T04:58:00+01:00", "reason": "a later release says more"}'
    heard = Reader(HEARS).read(dict(event_headers(ID, SUBJECT_REVOKED)), value)
    assert heard is not None
    assert heard.data == SubjectRevoked("badge-1", datetime(2026, 11, 22, 3, 58, tzinfo=UTC))


@pytest.mark.parametrize(
    "value",
    [
        b'{"subject": "badge-1", "not_before": "2026-11-22T04:58:00"}',
        b'{"subject": "", "not_before": "2026-11-22T04:58:00Z"}',
        b'{"subject": "badge\\u0000", "not_before": "2026-11-22T04:58:00Z"}',
        b'{"subject": "badge-1", "subject": "badge-2", "not_before": "2026-11-22T04:58:00Z"}',
        b'{"subject": "badge-1"}',
        None,
    ],
)
def test_what_does_not_fit_is_no_revocation(value: bytes | None) -> None:
    with pytest.raises(BadData):
        Reader(HEARS).read(dict(event_headers(ID, SUBJECT_REVOKED)), value)
