"""A worker that is killed comes back into its partitions, and its neighbour in the group never stops. The seconds are told with `-s`, not judged."""

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from services.kit.faust_driver import FaustDriver
from services.kit.ids import uuid7
from services.kit.raw_driver import RawDriver
from services.kit.settings import KitSettings
from services.kit.watchdog import behind
from services.kit.worker import Process, Worker
from tests.integration.kit import toy
from tests.integration.kit.conftest import DRIVERS, Site, end, outgoing, produce
from tests.support.polling import poll_until

pytestmark = [pytest.mark.kill, pytest.mark.parametrize("driver", DRIVERS)]

_EVENTS = 300


async def test_a_killed_worker_is_back_and_the_other_never_stops(site: Site, tmp_path: Path, driver: str) -> None:
    """While it is away the other works on; neither that nor its return makes the group share out its partitions anew."""
    killed = site.start(driver, "0")
    other, stop = Process(Worker(toy.STAGE, settings=_settings(site, tmp_path, driver))), asyncio.Event()
    running = asyncio.create_task(other.run(stop))
    await poll_until(lambda: len(_positions(other)) == 3, 40)
    generation, starts = _generation(other), _positions(other)
    end(killed, signal.SIGKILL)
    away = time.monotonic()
    await produce(site, [outgoing(site.prefix + toy.HEARD, uuid7(), n) for n in range(_EVENTS)])
    await poll_until(lambda: _has_done_all(site, other), 20)
    done = sum(_positions(other).values()) - sum(starts.values())
    assert 0 < done < _EVENTS and site.counted() == done
    started = time.monotonic()
    site.start(driver, "0")
    await poll_until(lambda: site.counted() > done, 40)
    sys.stdout.write(f"{driver}: back {time.monotonic() - started:.1f} s after its start; the other did {done} events in {started - away:.1f} s\n")
    await poll_until(lambda: site.counted() == _EVENTS, 40)
    assert (_generation(other), _positions(other).keys()) == (generation, starts.keys())
    stop.set()
    assert await running == 0


def _settings(site: Site, folder: Path, driver: str) -> KitSettings:
    servers: dict[str, Any] = {"KAFKA_BOOTSTRAP_SERVERS": site.kafka, "DATABASE_URL": site.database}
    return KitSettings(**servers, topic_prefix=site.prefix, driver=driver, slot="1", var=folder)


def _positions(worker: Process) -> dict[tuple[str, int], int]:
    """How far it is in each of its partitions of the toy's topic."""
    return {place: offset for place, offset in worker._positions().items() if place[0].endswith(toy.HEARD)}


def _generation(worker: Process) -> Any:
    """The number of the sharing out that this worker knows of."""
    driver = worker._driver
    assert isinstance(driver, FaustDriver | RawDriver)
    consumer = driver.app.consumer._thread._consumer if isinstance(driver, FaustDriver) else driver._consumer
    return consumer._coordinator.generation


async def _has_done_all(site: Site, worker: Process) -> bool:
    return not await behind(site.kafka, _positions(worker))
