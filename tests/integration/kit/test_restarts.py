"""PostgreSQL and the broker are killed under a working load, on servers of this module's own; their supervisor starts them again."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator

import psutil
import psycopg
import pytest

from deploy.local import description
from deploy.local.progress import Progress
from deploy.local.stack import BROKERS, DATABASE, Stack
from services.kit.awaiting_kafka import until_topics
from tests.integration.kit import toy
from tests.integration.kit.conftest import DRIVERS, Site, audit, end, mixed, produce, settled
from tests.support.polling import poll_until

pytestmark = [pytest.mark.servers, pytest.mark.kill]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Kafka and a PostgreSQL that may be killed."""
    environment = {name: value for name, value in os.environ.items() if name not in (BROKERS, DATABASE)}
    stack = Stack(tmp_path_factory.mktemp("own"), environment, Progress(), servers_only=True)
    stack.up(attached=True)
    yield stack
    stack.down()


@pytest.fixture
def own_site(own: Stack, new_site: Callable[[str, str], Site]) -> Site:
    told = description.read(own.description)
    return new_site(told["kafka"], told["database"])


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("server", ["postgres", "kafka"])
async def test_a_server_killed_under_a_load_costs_nothing_but_time(own: Stack, own_site: Site, driver: str, server: str) -> None:
    site = own_site
    load = mixed(site.prefix + toy.HEARD, 3000)
    process = site.start(driver)
    await produce(site, load.messages[:1500])
    await poll_until(lambda: site.counted() > 300, 30)
    _kill(own, server)
    await poll_until(lambda: _answers(site), 60)
    await until_topics(site.kafka, [site.prefix + toy.HEARD])
    await produce(site, load.messages[1500:])
    await settled(site, load, 120)
    await audit(site, load)
    assert process.poll() is None, "the worker outlives its servers"
    assert end(process) == 0


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_worker_started_before_its_tables_waits_for_them(own_site: Site, driver: str) -> None:
    site = own_site
    with psycopg.connect(site.database, autocommit=True) as admin:
        admin.execute("alter schema toy rename to elsewhere")
        process = site.start(driver)
        await poll_until(lambda: "waiting" in site.logs(), 20)
        assert process.poll() is None
        admin.execute("alter schema elsewhere rename to toy")
    load = mixed(site.prefix + toy.HEARD, 100)
    await produce(site, load.messages)
    await settled(site, load)


def _kill(stack: Stack, program: str) -> None:
    """The server itself and what it started, without a chance to tidy up."""
    top = psutil.Process(stack.supervisor.states()[program]["pid"])
    for process in (*top.children(recursive=True), top):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)


def _answers(site: Site) -> bool:
    try:
        return site.counted() >= 0
    except psycopg.OperationalError:
        return False
