"""How often something may be tried."""

import pytest
from starlette.requests import Request

from services.kit.http import Attempts, Problem, address_of


class _Time:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_ten_misses_are_borne_and_the_eleventh_is_told_when_to_come_back() -> None:
    now = _Time()
    misses = Attempts(10, 60, now)
    for _ in range(10):
        misses.refuse_above("1.2.3.4")
        misses.count("1.2.3.4")
        now.seconds += 1
    with pytest.raises(Problem) as refused:
        misses.refuse_above("1.2.3.4")
    assert (refused.value.status, refused.value.headers["retry-after"]) == (429, "50")
    misses.refuse_above("1.2.3.5")


def test_the_window_moves_on() -> None:
    now = _Time()
    misses = Attempts(1, 60, now)
    misses.count("a")
    now.seconds = 59.9
    with pytest.raises(Problem):
        misses.refuse_above("a")
    now.seconds = 60.0
    misses.refuse_above("a")


def test_many_keys_do_not_fill_the_memory() -> None:
    misses = Attempts(1, 60, _Time())
    for number in range(10_001):
        misses.count(str(number))
    misses.refuse_above("0")
    with pytest.raises(Problem):
        misses.refuse_above("10000")


def test_a_client_does_not_choose_its_own_address() -> None:
    request = Request({"type": "http", "headers": [(b"x-forwarded-for", b"9.9.9.9")], "client": ("1.2.3.4", 5)})
    assert address_of(request) == "1.2.3.4"
