"""A worker that is killed or stopped in the middle of its work loses nothing, does nothing twice, and sets every poison aside once."""

import signal
import subprocess
from functools import partial

import pytest

from services.kit import topics
from services.kit.ids import uuid7
from services.kit.worker import HALTED
from tests.integration.kit import toy
from tests.integration.kit.conftest import DRIVERS, Load, Site, audit, end, mixed, outgoing, produce, settled
from tests.support.polling import poll_until
from tests.support.toys import SERVICE

pytestmark = [pytest.mark.kill, pytest.mark.parametrize("driver", DRIVERS)]


async def test_killed_while_it_works_through_a_load(site: Site, driver: str) -> None:
    load = mixed(site.prefix + toy.HEARD, 4000)
    await produce(site, load.messages[:3000])
    for share in (0.15, 0.4, 0.6):
        process = site.start(driver)
        await poll_until(partial(_has_counted, site, share * len(load.good)), 30)
        end(process, signal.SIGKILL)
    site.start(driver)
    await produce(site, load.messages[3000:])
    await settled(site, load)
    await audit(site, load)


async def test_killed_in_the_middle_of_a_transaction(site: Site, driver: str) -> None:
    load = await _few(site)
    process = site.start(driver, TOY_SLOW_SECONDS="30")
    await poll_until(site.in_hand, 20)
    end(process, signal.SIGKILL)
    site.start(driver)
    await settled(site, load)
    await audit(site, load)


async def test_stopped_in_the_middle_of_a_batch_it_finishes_and_acknowledges(site: Site, driver: str) -> None:
    load = await _few(site)
    process = site.start(driver, TOY_SLOW_SECONDS="1")
    await poll_until(site.in_hand, 20)
    assert end(process) == 0
    assert site.counted() > 0
    assert site.one("select count(*) from attempts") == 0
    behind = topics.lag(site.kafka, f"{site.prefix}{SERVICE}")
    assert sum(behind[site.prefix + toy.HEARD].values()) == len(load.good) - site.counted()


async def test_stopped_with_a_batch_that_outlasts_the_grace_it_leaves_it_unacknowledged(site: Site, driver: str) -> None:
    load = await _few(site)
    process = site.start(driver, TOY_SLOW_SECONDS="30", KEPT_GRACE_SECONDS="0.3")
    await poll_until(site.in_hand, 20)
    assert end(process) == 0
    assert site.counted() == 0
    site.start(driver)
    await settled(site, load)
    await audit(site, load)


async def test_an_event_that_kills_the_process_is_set_aside(site: Site, driver: str) -> None:
    topic = site.prefix + toy.HEARD
    good, deadly = [uuid7() for _ in range(20)], uuid7()
    messages = [outgoing(topic, id, n) for n, id in enumerate(good)]
    await produce(site, [*messages[:10], outgoing(topic, deadly, 100, "die", key="deadly"), *messages[10:]])
    for _ in range(6):
        process = site.start(driver)
        await poll_until(partial(_died_or_set_aside, site, process), 30)
        if process.poll() is None:
            break
    await settled(site, Load(good=set(good), failing={deadly}))
    await audit(site, Load(good=set(good), failing={deadly}))
    assert "died 3 times" in site.one("select detail from dead_letters")


async def test_a_release_that_fails_on_everything_halts(site: Site, driver: str) -> None:
    topic = site.prefix + toy.HEARD
    await produce(site, [outgoing(topic, uuid7(), n, "fail", key=f"k{n}") for n in range(40)])
    process = site.start(driver)
    await poll_until(lambda: process.poll() is not None, 60)
    assert process.returncode == HALTED
    assert site.one("select count(*) from dead_letters") == 20


def _has_counted(site: Site, enough: float) -> bool:
    return site.counted() > enough


def _died_or_set_aside(site: Site, process: "subprocess.Popen[bytes]") -> bool:
    return process.poll() is not None or site.one("select count(*) from dead_letters") == 1


async def _few(site: Site) -> Load:
    load = Load(good={uuid7() for _ in range(50)})
    await produce(site, [outgoing(site.prefix + toy.HEARD, id, n) for n, id in enumerate(load.good)])
    return load
