"""A worker whose handler never comes back ends itself with 70, and the next one does what it left."""

import pytest

from services.kit.ids import uuid7
from services.kit.watchdog import STOOD_STILL
from tests.integration.kit import toy
from tests.integration.kit.conftest import DRIVERS, Site, outgoing, produce
from tests.support.polling import poll_until

pytestmark = pytest.mark.kill


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("behaviour", ["hang", "block"])
async def test_a_worker_that_stands_still_ends_itself_and_loses_nothing(site: Site, driver: str, behaviour: str) -> None:
    """It waits for what never comes, or keeps the event loop and with it everything that could notice."""
    messages = [outgoing(site.prefix + toy.HEARD, uuid7(), n) for n in range(20)]
    await produce(site, [*messages, outgoing(site.prefix + toy.HEARD, uuid7(), 20, behaviour)])
    still = site.start(driver, TOY_PATIENCE_SECONDS="3")
    await poll_until(lambda: still.poll() is not None, 40)
    assert still.returncode == STOOD_STILL, site.logs()[-3000:]
    site.start(driver, TOY_PATIENCE_SECONDS="3", TOY_MENDED="1")
    await poll_until(lambda: site.counted() == 21, 40)
    assert site.one("select count(*) from dead_letters") == 0
