"""Wires the promises service's processes: `python -m services.promises.main api|worker`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from services.kit.processes import start
from services.promises.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI


def application(settings: Settings) -> "FastAPI":
    """The API over a database of its own, which it waits for."""
    from services.kit.awaiting import until_migrated
    from services.kit.clock import clock_from
    from services.kit.database import Database
    from services.kit.http import create_app
    from services.promises.dates.api import router as ledger
    from services.promises.quoting.api import router as quoting

    @asynccontextmanager
    async def lifespan(app: "FastAPI") -> AsyncIterator[None]:
        url, clock = settings.service_database("promises"), clock_from(settings.clock)
        app.state.database = await until_migrated(lambda: Database.connect(url, "promises", clock))
        yield
        await app.state.database.close()

    return create_app("promises", [quoting, ledger], settings, lifespan=lifespan)


def run_api(settings: Settings) -> None:
    from services.kit.http import serve

    serve(application(settings), settings, port=settings.promises_api_port, operations_port=settings.promises_api_ops_port)


def run_worker(settings: Settings) -> None:
    from services.kit.worker import Worker, run
    from services.promises.agents import ERRANDS, STAGE, TIMERS

    run(Worker(STAGE, TIMERS, ERRANDS, settings))


if __name__ == "__main__":
    start({"api": lambda: run_api(Settings()), "worker": lambda: run_worker(Settings())})
