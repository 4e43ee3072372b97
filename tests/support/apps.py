"""The application of every service, as its main module wires it, without a server behind it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from services.fulfilment.main import application as fulfilment
from services.issuer.main import application as issuer
from services.kit import tokens
from services.kit.settings import KitSettings
from services.loyalty.main import application as loyalty
from services.notifications.main import application as notifications
from services.notifications.settings import Settings as NotificationsSettings
from services.orders.main import application as orders
from services.orders.settings import Settings as OrdersSettings
from services.promises.ledger.process import leading
from services.promises.main import application as promises
from services.promises.main import writing_application
from services.promises.settings import Settings as PromisesSettings
from tests.support.feed import Feed
from tests.support.holding import Shelves
from tests.support.polling import poll_until


def _with_a_ledger(settings: PromisesSettings) -> FastAPI:
    """The promises API, and while it runs the process behind it that writes the ledger."""
    writing = writing_application(settings)
    app = promises(settings, httpx.ASGITransport(writing, raise_app_exceptions=False))
    alone = app.router.lifespan_context

    @asynccontextmanager
    async def both(of: FastAPI) -> AsyncIterator[None]:
        url = settings.service_database("promises")
        async with alone(of), leading(writing, of.state.database, url, of.state.database.clock, Feed(), Shelves()) as writer:
            await poll_until(lambda: writer.leads)
            yield

    app.router.lifespan_context = both
    return app


def _with_keys(settings: type[KitSettings], make: Callable[[Any], FastAPI]) -> Callable[..., FastAPI]:
    def made(var: Path, **given: Any) -> FastAPI:
        tokens.signing_key(var / "keys")
        return make(settings(var=var, **given))

    return made


APPLICATIONS: Mapping[str, Callable[..., FastAPI]] = {
    "orders": _with_keys(OrdersSettings, orders),
    "fulfilment": _with_keys(KitSettings, fulfilment),
    "promises": _with_keys(PromisesSettings, _with_a_ledger),
    "loyalty": _with_keys(KitSettings, loyalty),
    "notifications": _with_keys(NotificationsSettings, notifications),
    "issuer": _with_keys(KitSettings, issuer),
}
"""By service: its application for a stack in this folder, whose key is made there; more settings by name."""


@asynccontextmanager
async def answering(service: str, folder: Path, database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service's whole application, over this database."""
    app = APPLICATIONS[service](folder, DATABASE_URL=database_url)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{service}") as client:
            yield client
