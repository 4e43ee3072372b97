"""Wires the processes of orders: `python -m services.orders.main api|worker`. A worker imports no web framework and no ORM."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from services.kit.processes import start

if TYPE_CHECKING:
    from fastapi import FastAPI

    from services.kit.http.app import Lifespan
    from services.orders.settings import Settings


def application(settings: "Settings") -> "FastAPI":
    """The API over pools of its own, which it waits for."""
    from services.kit.awaiting import until_migrated
    from services.kit.clock import clock_from
    from services.kit.database import Database
    from services.orders import api
    from services.orders.queries import engine_of

    @asynccontextmanager
    async def lifespan(app: "FastAPI") -> AsyncIterator[None]:
        url, clock = settings.service_database("orders"), clock_from(settings.clock)
        database = await until_migrated(lambda: Database.connect(url, "orders", clock, size=settings.orders_connections))
        reads = engine_of(url)
        api.connect(app, database, reads)
        yield
        await reads.dispose()
        await database.close()

    return assemble(settings, lifespan)


def assemble(settings: "Settings", lifespan: "Lifespan | None" = None) -> "FastAPI":
    """The routes and pages, without pools: `api.connect` gives them theirs."""
    from services.kit.http import create_app
    from services.orders import amending_api, api, customers_api, pages
    from services.orders.payments.api import router as payments

    routers = [api.router, amending_api.router, customers_api.router, payments]
    app = create_app("orders", routers, settings, lifespan=lifespan, pages=[pages.router])
    pages.install(app, settings)
    return app


def run_api() -> None:
    from services.kit.http import serve
    from services.orders.settings import Settings

    settings = Settings()
    serve(application(settings), settings, port=settings.port("orders_api"), operations_port=settings.port("orders_api_ops"), host=settings.bind)


def run_worker() -> None:
    from services.kit.worker import Worker, run
    from services.orders.agents import ERRANDS, STAGE, TIMERS
    from services.orders.settings import Settings

    run(Worker(STAGE, TIMERS, ERRANDS, Settings()))


if __name__ == "__main__":
    start({"api": run_api, "worker": run_worker})
