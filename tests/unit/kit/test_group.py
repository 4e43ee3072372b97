"""How far apart batches are kept."""

from services.kit.group import Pace


class _Hand:
    """A clock that moves when somebody sleeps, and when it is moved."""

    def __init__(self) -> None:
        self.at, self.slept = 100.0, list[float]()

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


async def test_the_first_batch_does_not_wait_and_the_next_ones_do() -> None:
    hand = _Hand()
    pace = Pace(0.1, hand.now, hand.sleep)
    await pace.wait()
    hand.at += 0.03
    await pace.wait()
    await pace.wait()
    assert [round(seconds, 6) for seconds in hand.slept] == [0.0, 0.07, 0.1]


async def test_who_comes_later_than_that_does_not_wait() -> None:
    hand = _Hand()
    pace = Pace(0.1, hand.now, hand.sleep)
    await pace.wait()
    hand.at += 5.0
    await pace.wait()
    assert hand.slept == [0.0, 0.0]


async def test_without_seconds_nobody_sleeps() -> None:
    hand = _Hand()
    pace = Pace(0.0, hand.now, hand.sleep)
    await pace.wait()
    await pace.wait()
    assert hand.slept == []
