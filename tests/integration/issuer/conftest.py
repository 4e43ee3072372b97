"""The issuer's API over a schema of the test's own, its keys in a folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.issuer.api import router
from services.issuer.hashing import Hashing
from services.kit.clock import SystemClock
from services.kit.database import Database, service_url
from services.kit.settings import KitSettings
from tests.support.api import Api, api_of


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("issuer",)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.connect(service_url(database_url, "issuer"), "issuer", SystemClock())
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def hashing() -> Hashing:
    return Hashing()


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with api_of("issuer", [router], database, tmp_path, settings=KitSettings(var=tmp_path), hashing=Hashing()) as made:
        yield made
