"""`python -m demo.carrier`: the carrier as a process. With a clock that runs by itself it tells what happened by itself, with the file clock a
driver says when (`POST /tick`).
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

import httpx
import uvicorn
from starlette.applications import Starlette

from demo.carrier.accounts import accounts
from demo.carrier.app import Depot
from demo.carrier.books import Books
from services.kit.clock import Clock, FileClock, clock_from
from services.kit.settings import KitSettings

_LOOK_SECONDS = 0.5


async def keep_telling(depot: Depot, clock: Clock) -> None:
    """Tell what happened, as time goes by."""
    while True:
        await depot.tell(clock.now())
        await asyncio.sleep(_LOOK_SECONDS)


def main() -> None:
    settings = KitSettings()
    clock = clock_from(settings.clock)
    customer = httpx.AsyncClient(base_url=os.environ.get("KEPT_FULFILMENT_URL", "http://127.0.0.1:8102"), timeout=10)
    depot = Depot(Books(settings.var / "carrier" / "books.sqlite"), accounts(settings.var / "keys" / "carriers.json"), customer, clock)
    app = depot.app()

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        telling = None if isinstance(clock, FileClock) else asyncio.create_task(keep_telling(depot, clock))
        yield
        if telling is not None:
            telling.cancel()
        await customer.aclose()
        depot.books.close()

    app.router.lifespan_context = lifespan
    uvicorn.run(app, host=settings.bind, port=settings.port("carrier"), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
