"""Wires the promises service's processes: `python -m services.promises.main api|worker`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.kit.processes import start
from services.promises.settings import Settings


def api(settings: Settings) -> None:
    from fastapi import FastAPI

    from services.kit.clock import clock_from
    from services.kit.database import Database
    from services.kit.http import create_app, serve
    from services.promises.ledger.api import router as ledger
    from services.promises.quoting.api import router as quoting

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.database = await Database.connect(settings.service_database("promises"), "promises", clock_from(settings.clock))
        yield
        await app.state.database.close()

    app = create_app("promises", [quoting, ledger], settings, lifespan=lifespan)
    serve(app, settings, port=settings.promises_api_port, operations_port=settings.promises_api_ops_port)


def worker(settings: Settings) -> None:
    from services.kit.worker import Worker, run
    from services.promises.agents import ERRANDS, STAGE, TIMERS

    run(Worker(stage=STAGE, timers=TIMERS, errands=ERRANDS, settings=settings))


if __name__ == "__main__":
    start({"api": lambda: api(Settings()), "worker": lambda: worker(Settings())})
