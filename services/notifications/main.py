"""Wires notifications' processes: `python -m services.notifications.main api|worker`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from services.kit.processes import start
from services.notifications.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI


def application(settings: Settings) -> "FastAPI":
    """The API over a database of its own, which it waits for."""
    from services.kit.awaiting import until_migrated
    from services.kit.clock import clock_from
    from services.kit.database import Database
    from services.kit.http import create_app
    from services.notifications.api import router

    @asynccontextmanager
    async def lifespan(app: "FastAPI") -> AsyncIterator[None]:
        url, clock = settings.service_database("notifications"), clock_from(settings.clock)
        app.state.database = await until_migrated(lambda: Database.connect(url, "notifications", clock))
        yield
        await app.state.database.close()

    app = create_app("notifications", [router], settings, lifespan=lifespan)
    app.state.settings = settings
    return app


def run_api(settings: Settings) -> None:
    from services.kit.http import serve

    port, operations_port = settings.port("notifications_api"), settings.port("notifications_api_ops")
    serve(application(settings), settings, port=port, operations_port=operations_port, host=settings.bind)


def run_worker(settings: Settings) -> None:
    from services.kit.worker import Worker, run
    from services.notifications.agents import STAGE, TIMERS
    from services.notifications.sending import errands

    run(Worker(STAGE, TIMERS, errands(settings), settings))


if __name__ == "__main__":
    start({"api": lambda: run_api(Settings()), "worker": lambda: run_worker(Settings())})
