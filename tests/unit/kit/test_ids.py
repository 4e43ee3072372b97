"""Ids carry their day; names give the same id always; secrets are not guessed."""

from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from services.kit.clock import record_now
from services.kit.ids import NO_DAY, day_of, hash_secret, named_uuid, new_secret, uuid7


def _at(day: datetime) -> UUID:
    return UUID(int=int(day.timestamp() * 1000) << 80 | 0x7 << 76 | 0x2 << 62)


def test_an_id_is_a_uuid_of_version_7_of_today() -> None:
    before = record_now().date()
    id = uuid7()
    assert (id.version, id.variant) == (7, "specified in RFC 4122")
    assert before <= day_of(id) <= record_now().date()


def test_ids_do_not_repeat_and_rise_with_time() -> None:
    ids = [uuid7() for _ in range(10_000)]
    assert len(set(ids)) == 10_000
    assert [id.int >> 80 for id in ids] == sorted(id.int >> 80 for id in ids)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2098, 12, 31)))  # noqa: DTZ001  # naive on purpose: made UTC below
def test_the_day_is_the_one_inside(moment: datetime) -> None:
    instant = moment.replace(tzinfo=record_now().tzinfo, microsecond=0)
    assert day_of(_at(instant)) == instant.date()


@given(st.integers(0, (1 << 128) - 1))
def test_any_128_bits_have_a_day(bits: int) -> None:
    assert isinstance(day_of(UUID(int=bits)), date)


def test_other_ids_have_no_day() -> None:
    assert {day_of(uuid4()), day_of(named_uuid("x")), day_of(UUID(int=0x7 << 76)), day_of(_at(record_now() + timedelta(days=36500)))} == {NO_DAY}


def test_a_name_gives_the_same_id_and_parts_do_not_run_together() -> None:
    assert named_uuid("web", "1001") == named_uuid("web", "1001")
    assert named_uuid("web", "1001") != named_uuid("web1", "001")


def test_secrets_hold_160_bits_and_are_stored_hashed() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert {len(secret) for secret in secrets} == {27}
    assert len(hash_secret(next(iter(secrets)))) == 32
