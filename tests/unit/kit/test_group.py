"""How long Kafka may hold a fetch."""

from services.kit.group import Group


def _group(gather_seconds: float) -> Group:
    return Group("127.0.0.1:1", "g", "0", ("t",), gather_seconds=gather_seconds)


def test_who_is_waited_for_is_answered_at_the_first_byte() -> None:
    group = _group(0.0)
    assert (group.fetch_wait_milliseconds, group.fetch_least_bytes) == (500, 1)


def test_who_gathers_is_answered_when_the_time_is_up_or_much_has_come() -> None:
    group = _group(0.1)
    assert (group.fetch_wait_milliseconds, group.fetch_least_bytes) == (100, 1_048_576)
