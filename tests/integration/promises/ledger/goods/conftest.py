"""A shop of the test's own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.kit.clock import FixedClock
from tests.integration.promises.ledger.goods.shop import Shop, open_shop
from tests.unit.fulfilment.build import NOW


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("promises", "fulfilment")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
async def shop(database_url: str, tmp_path: Path, clock: FixedClock) -> AsyncIterator[Shop]:
    async with open_shop(database_url, tmp_path, clock) as opened:
        yield opened
