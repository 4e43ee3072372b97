"""A shop with its ledger, and people in front of its pages."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from services.kit.clock import FixedClock
from tests.integration.promises.ledger.goods.shop import Shop, open_shop
from tests.support.forms import Reader
from tests.unit.fulfilment.build import NOW, SITE

Person = Callable[..., Reader]


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


@pytest.fixture
def person(shop: Shop) -> Person:
    """Somebody of this role, signed in by a cookie."""

    def made(role: str, subject: str = "ann", site: str | None = SITE) -> Reader:
        return Reader(shop.asks.client, shop.asks.token(role, subject, site))

    return made
