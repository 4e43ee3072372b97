"""Wires loyalty's processes: `python -m services.loyalty.main api|worker`. Its rules are not settings: planners change them over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from services.kit.processes import start
from services.kit.settings import KitSettings

if TYPE_CHECKING:
    from fastapi import FastAPI


def application(settings: KitSettings) -> "FastAPI":
    """The API over a database of its own, which it waits for."""
    from services.kit.awaiting import until_migrated
    from services.kit.clock import clock_from
    from services.kit.database import Database
    from services.kit.http import create_app
    from services.loyalty.api import router

    @asynccontextmanager
    async def lifespan(app: "FastAPI") -> AsyncIterator[None]:
        url, clock = settings.service_database("loyalty"), clock_from(settings.clock)
        app.state.database = await until_migrated(lambda: Database.connect(url, "loyalty", clock))
        yield
        await app.state.database.close()

    return create_app("loyalty", [router], settings, lifespan=lifespan)


def run_api(settings: KitSettings) -> None:
    from services.kit.http import serve

    serve(application(settings), settings, port=settings.port("loyalty_api"), operations_port=settings.port("loyalty_api_ops"), host=settings.bind)


def run_worker(settings: KitSettings) -> None:
    from services.kit.worker import Worker, run
    from services.loyalty.agents import ERRANDS, STAGE, TIMERS

    run(Worker(STAGE, TIMERS, ERRANDS, settings))


if __name__ == "__main__":
    start({"api": lambda: run_api(KitSettings()), "worker": lambda: run_worker(KitSettings())})
