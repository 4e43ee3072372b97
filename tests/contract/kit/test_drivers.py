"""What both drivers promise the consume loop, on a real broker: in order, acknowledged only after the loop has settled, committed before a revoke."""

import asyncio
import time
from collections.abc import Sequence

import uvloop

from services.kit.ports import Driver, Message
from tests.contract.kit.conftest import Place, Recording, placed
from tests.support.polling import poll_until


async def test_everything_is_delivered_once_and_in_order_per_key(place: Place) -> None:
    await place.produce(1000)
    loop = Recording()
    await place.join(loop)
    await poll_until(lambda: len(loop.taken) >= 1000)
    assert sorted(loop.numbers()) == list(range(1000))
    for key in range(12):
        assert [n for n in loop.numbers() if n % 12 == key] == list(range(key, 1000, 12))
    assert max(loop.batches) <= 500


async def test_who_gathers_gets_in_few_batches_what_came_one_by_one(place: Place) -> None:
    loop = Recording()
    await place.join(loop, gather_seconds=0.5)
    await place.produce(1)
    await poll_until(lambda: loop.taken)
    for n in range(1, 21):
        await place.produce(1, start=n)
    await poll_until(lambda: len(loop.taken) == 21)
    assert sorted(loop.numbers()) == list(range(21))
    assert len(loop.batches) < 12


async def test_what_comes_while_the_loop_rests_is_one_batch_and_a_fetch_of_several_partitions_too(place: Place) -> None:
    loop = Recording()
    await place.join(loop)
    await place.produce(1)
    await poll_until(lambda: loop.taken)
    loop.rest_seconds = 1.0
    await place.produce(1, start=1)  # the fetch that waits in Kafka brings it; the next one rests
    await poll_until(lambda: len(loop.taken) == 2)
    await place.produce(20, start=2)
    await poll_until(lambda: len(loop.taken) == 22)
    assert loop.batches[2:] == [20]


async def test_what_is_settled_is_committed_by_itself(place: Place) -> None:
    await place.produce(50)
    loop = Recording()
    await place.join(loop)
    await poll_until(lambda: len(loop.taken) == 50 and place.committed() and place.behind() == 0)


async def test_a_loop_that_raises_moves_no_offset_and_its_reason_is_told(place: Place) -> None:
    await place.produce(50)
    loop = Recording()

    async def broken(_: Sequence[Message]) -> None:
        raise RuntimeError("a bug of the kit")

    loop.trouble = broken
    driver = await place.join(loop)
    async with asyncio.timeout(10):
        assert str(await driver.died()) == "a bug of the kit"
    await place.leave(driver)
    healthy = Recording()
    await place.join(healthy)
    await poll_until(lambda: len(healthy.taken) == 50)
    assert sorted(healthy.numbers()) == list(range(50))


async def test_a_batch_that_outlasts_the_grace_is_delivered_again(place: Place) -> None:
    await place.produce(50)
    loop, begun = Recording(), asyncio.Event()

    async def stuck(_: Sequence[Message]) -> None:
        begun.set()
        await asyncio.Event().wait()

    loop.trouble = stuck
    driver = await place.join(loop)
    await begun.wait()
    place.started.remove(driver)
    await driver.stop(0.1)
    healthy = Recording()
    await place.join(healthy)
    await poll_until(lambda: len(healthy.taken) == 50)


async def test_a_batch_in_hand_is_finished_and_committed_before_the_driver_leaves(place: Place) -> None:
    await place.produce(50)
    loop, begun, go = Recording(), asyncio.Event(), asyncio.Event()

    async def slow(_: Sequence[Message]) -> None:
        begun.set()
        await go.wait()

    loop.trouble = slow
    driver = await place.join(loop)
    await begun.wait()
    place.started.remove(driver)
    leaving = asyncio.ensure_future(driver.stop(5.0))
    await asyncio.sleep(0)
    go.set()
    await leaving
    assert loop.taken
    assert place.behind() == 50 - len(loop.taken)


async def test_a_second_member_takes_over_partitions_without_repeating_anything(place: Place) -> None:
    first, second = Recording(), Recording()
    one = await place.join(first, commit_seconds=1000)
    await place.produce(600)
    await poll_until(lambda: len(first.taken) == 600)
    two = await place.join(second, slot="1")
    await poll_until(lambda: len(_places(one)) == len(_places(two)) == 3, 30)
    await place.produce(600, start=600)
    await poll_until(lambda: len(first.taken) + len(second.taken) >= 1200)
    assert sorted(first.numbers() + second.numbers()) == list(range(1200))
    assert second.taken


def test_nothing_is_lost_in_a_rebalance_that_waits_for_a_long_batch(driver_kind: str, kafka: str) -> None:
    """On a worker's own loop: who comes first in a rebalance depends on it."""
    uvloop.run(_rebalance(driver_kind, kafka))


async def _rebalance(driver_kind: str, kafka: str) -> None:
    first, second = Recording(), Recording()
    begun, go = asyncio.Event(), asyncio.Event()

    async def wait(_: Sequence[Message]) -> None:
        begun.set()
        await go.wait()

    first.trouble = wait
    async with placed(driver_kind, kafka) as place:
        await place.join(first)
        await place.produce(50)
        await begun.wait()
        joining = asyncio.create_task(place.join(second, slot="1"))
        count, until = 50, time.monotonic() + 3.0  # longer than a heartbeat and a fetch
        while time.monotonic() < until:
            await place.produce(10, start=count)
            count += 10
        go.set()
        await joining
        await poll_until(lambda: {*first.numbers(), *second.numbers()} >= set(range(count)), deadline=40.0)


async def test_positions_are_told_from_the_first_moment_and_move_with_the_work(place: Place) -> None:
    loop = Recording()
    driver = await place.join(loop)
    await poll_until(lambda: len(_places(driver)) == 6)
    assert set(_places(driver).values()) == {0}
    await place.produce(60)
    await poll_until(lambda: sum(_places(driver).values()) == 60)
    await place.leave(driver)
    again = await place.join(Recording())
    await poll_until(lambda: len(_places(again)) == 6 and sum(_places(again).values()) == 60)


def _places(driver: Driver) -> dict[int, int]:
    return dict(next(iter(driver.positions().values()), {}))
