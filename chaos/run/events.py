"""Faults of what is said: again, in disorder, in bytes that cannot be read, in a later schema, by many at once."""

import asyncio

from chaos.run import rubbish
from chaos.run.client import Client
from chaos.run.scene import Scene

_POISONS_A_SECOND = 20


async def duplicates(scene: Scene) -> None:
    """Row 22: a fifth of what lies on the topics comes again."""
    for topic in rubbish.HEARD:
        await _repeat(scene, 22, topic)


async def disorder(scene: Scene) -> None:
    """Row 23: records again in another order; and orders for the first time, some behind their own cancel."""
    scene.timeline.began(23, "orders in disorder", "topics", 40)
    await rubbish.place_in_disorder(scene.client, 40)
    scene.timeline.ended(23, "orders in disorder", "topics")
    for topic in rubbish.HEARD:
        await _repeat(scene, 23, topic, window=1_000)


async def poison(scene: Scene) -> None:
    """Row 25."""
    scene.timeline.began(25, "poison", "topics")
    await rubbish.poison(scene.client, rubbish.HEARD, largest=True)
    scene.timeline.ended(25, "poison", "topics")


async def poison_without_a_database(scene: Scene) -> None:
    """Row 27: poison all the time, while what keeps it is stopped at once, three times."""
    pouring = asyncio.ensure_future(_pour(scene.client))
    for _ in range(3):
        scene.timeline.began(27, "kill: stopped at once", "postgres")
        await asyncio.to_thread(scene.bed.stop_at_once, "postgres")
        await scene.back(27, "kill: stopped at once", "postgres")
        await asyncio.sleep(2)
    pouring.cancel()
    await asyncio.gather(pouring, return_exceptions=True)


async def the_future(scene: Scene) -> None:
    """Row 28: fields that nobody knows yet, and events of a newer major version."""
    scene.timeline.began(28, "a later schema", "topics")
    await rubbish.future_minors(scene.client, 20)
    await rubbish.future_majors(scene.client)
    scene.timeline.ended(28, "a later schema", "topics")


async def one_key_fifty_times(scene: Scene) -> None:
    """Row 36."""
    for _ in range(3):
        scene.timeline.began(36, "one key fifty times", "clients")
        await scene.client.place_fifty_times_at_once()
        scene.timeline.ended(36, "one key fifty times", "clients")


async def race_for_picks(scene: Scene) -> None:
    """Row 34."""
    for pickers, rounds in ((3, scene.counts.races_of_three), (50, scene.counts.races_of_fifty)):
        scene.timeline.began(34, f"race of {pickers}", "clients", rounds)
        await scene.client.race_for_picks(rounds, pickers)
        scene.timeline.ended(34, f"race of {pickers}", "clients")


async def _repeat(scene: Scene, row: int, topic: str, *, window: int = 0) -> None:
    again = await rubbish.copies(scene.rng, scene.bed.told["kafka"], topic, window=window)
    scene.timeline.began(row, "records again", topic, len(again))
    await rubbish.say_again(scene.client, topic, again)
    scene.timeline.ended(row, "records again", topic)


async def _pour(client: Client) -> None:
    """Poison on every topic, until cancelled."""
    while True:
        began = asyncio.get_running_loop().time()
        await rubbish.poison(client, rubbish.HEARD)
        took = asyncio.get_running_loop().time() - began
        await asyncio.sleep(max(0.0, 6 / _POISONS_A_SECOND - took))
