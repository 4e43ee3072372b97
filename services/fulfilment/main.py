"""Wires fulfilment's processes: `python -m services.fulfilment.main api|worker`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from services.kit.processes import start
from services.kit.settings import KitSettings

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI


def application(settings: KitSettings, issuer: "httpx.AsyncBaseTransport | None" = None) -> "FastAPI":
    """The API and the pages over a database of its own, which it waits for. `issuer` reaches whoever checks badges, in tests."""
    from services.fulfilment.amending.api import router as amending
    from services.fulfilment.duties.api import router as duties
    from services.fulfilment.floor.api import router as floor
    from services.fulfilment.pages import dock, look, pull_backs, stops
    from services.fulfilment.pages.floor import router as floor_page
    from services.fulfilment.shipping.api import routers as shipping
    from services.fulfilment.stock.alternatives_api import router as alternatives
    from services.fulfilment.stock.api import router as stock
    from services.kit.awaiting import until_migrated
    from services.kit.clock import clock_from
    from services.kit.database import Database
    from services.kit.http import create_app
    from services.kit.http.signing_in import lead_to_sign_in, sign_in_pages

    @asynccontextmanager
    async def lifespan(app: "FastAPI") -> AsyncIterator[None]:
        url, clock = settings.service_database("fulfilment"), clock_from(settings.clock)
        app.state.database = await until_migrated(lambda: Database.connect(url, "fulfilment", clock))
        yield
        await app.state.database.close()

    pages = [sign_in_pages(settings, look.HOMES, issuer), floor_page, dock.router, stops.router, pull_backs.router]
    app = create_app("fulfilment", [stock, alternatives, floor, *shipping, duties, amending], settings, lifespan=lifespan, pages=pages)
    look.install(app)
    lead_to_sign_in(app)
    return app


def run_api(settings: KitSettings) -> None:
    from services.kit.http import serve

    ports = settings.port("fulfilment_api"), settings.port("fulfilment_api_ops")
    serve(application(settings), settings, port=ports[0], operations_port=ports[1], host=settings.bind)


def run_worker(settings: KitSettings) -> None:
    from services.fulfilment.agents import ERRANDS, STAGE, TIMERS
    from services.kit.worker import Worker, run

    run(Worker(STAGE, TIMERS, ERRANDS, settings))


if __name__ == "__main__":
    start({"api": lambda: run_api(KitSettings()), "worker": lambda: run_worker(KitSettings())})
