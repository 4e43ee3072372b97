"""Wires the issuer's processes: `python -m services.issuer.main api|worker|seed`, in the embedded stack alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from services.issuer.embedded import refuse_elsewhere
from services.kit.processes import start
from services.kit.settings import KitSettings

if TYPE_CHECKING:
    from fastapi import FastAPI


def application(settings: KitSettings) -> "FastAPI":
    """The API over a database of its own, which it waits for."""
    from services.issuer.api import router
    from services.issuer.hashing import Hashing
    from services.kit.awaiting import until_migrated
    from services.kit.clock import clock_from
    from services.kit.database import Database
    from services.kit.http import create_app

    @asynccontextmanager
    async def lifespan(app: "FastAPI") -> AsyncIterator[None]:
        url, clock = settings.service_database("issuer"), clock_from(settings.clock)
        app.state.hashing = Hashing()
        app.state.database = await until_migrated(lambda: Database.connect(url, "issuer", clock))
        yield
        await app.state.database.close()

    app = create_app("issuer", [router], settings, lifespan=lifespan)
    app.state.settings = settings
    return app


def run_api(settings: KitSettings) -> None:
    from services.kit.http import serve

    serve(application(settings), settings, port=settings.port("issuer_api"), operations_port=settings.port("issuer_api_ops"), host=settings.bind)


def run_worker(settings: KitSettings) -> None:
    from services.issuer.agents import STAGE
    from services.kit.worker import Worker, run

    run(Worker(STAGE, settings=settings))


def run_seed(settings: KitSettings) -> None:
    from services.issuer.seed import seed

    asyncio.run(seed(settings))


if __name__ == "__main__":
    refuse_elsewhere()
    start({"api": lambda: run_api(KitSettings()), "worker": lambda: run_worker(KitSettings()), "seed": lambda: run_seed(KitSettings())})
