"""Wires the promises service's processes: `python -m services.promises.main api|worker|ledger`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from services.kit.processes import start
from services.promises.settings import Settings

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI

    from services.kit.database import Database


def application(settings: Settings, ledger: "httpx.AsyncBaseTransport | None" = None) -> "FastAPI":
    """The API over a database of its own, which it waits for. `ledger` is how the process that writes the ledger is reached, where not by its
    address."""
    from services.kit.awaiting import until_migrated
    from services.kit.calling import signed
    from services.kit.clock import clock_from
    from services.kit.database import Database
    from services.kit.http import create_app
    from services.kit.http.forward import forwarding
    from services.kit.http.near import Near, Through
    from services.kit.http.together import Together
    from services.promises.dates.api import router as dates
    from services.promises.ledger import pages
    from services.promises.ledger.agreement_api import router as agreement
    from services.promises.ledger.commands_api import router as commands
    from services.promises.ledger.erasure_api import router as erasure
    from services.promises.ledger.goodwill_api import router as goodwill
    from services.promises.ledger.reads_api import router as reads
    from services.promises.ledger.reports_api import router as reports
    from services.promises.quoting.api import router as quoting

    address = settings.promises_ledger_url
    near = Near(address, most=settings.requests_in_hand)
    process = Through(ledger, address) if ledger else Together(near, lambda: signed(settings, "promises"), settings.body_limit_bytes)

    @asynccontextmanager
    async def lifespan(app: "FastAPI") -> AsyncIterator[None]:
        url, clock = settings.service_database("promises"), clock_from(settings.clock)
        connect(app, await until_migrated(lambda: Database.connect(url, "promises", clock)), settings)
        yield
        await process.close()
        await app.state.database.close()

    forwarded = [forwarding(routes, process) for routes in (commands, reports, erasure)]
    routers = [quoting, dates, reads, agreement, goodwill, *forwarded]
    app = create_app("promises", routers, settings, lifespan=lifespan, pages=[pages.router])
    pages.install(app)
    return app


def connect(app: "FastAPI", database: "Database", settings: Settings) -> None:
    """Give the API's routes what they read from and sign with."""
    from services.promises.ledger.agreement import LedgerBuckets
    from services.promises.ledger.arrivals import Arrivals

    app.state.database, app.state.clock, app.state.signer = database, database.clock, settings.ledger_signer
    app.state.arrivals, app.state.buckets = Arrivals(database), LedgerBuckets(database)


def writing_application(settings: Settings) -> "FastAPI":
    """The process that writes the ledger, once it is elected; until then it answers 503."""
    from services.kit.http import create_app, together
    from services.promises.ledger.commands_api import router as commands
    from services.promises.ledger.erasure_api import router as erasure
    from services.promises.ledger.process import lifespan_of
    from services.promises.ledger.reports_api import router as reports

    return create_app("promises", [commands, reports, erasure, together.routes("promises")], settings, lifespan=lifespan_of(settings))


def run_api(settings: Settings) -> None:
    from services.kit.http import serve

    serve(application(settings), settings, port=settings.promises_api_port, operations_port=settings.promises_api_ops_port)


def run_ledger(settings: Settings) -> None:
    from services.kit.http import serve

    serve(writing_application(settings), settings, port=settings.promises_ledger_port, operations_port=settings.promises_ledger_ops_port)


def run_worker(settings: Settings) -> None:
    from services.kit.worker import Worker, run
    from services.promises.agents import ERRANDS, STAGE, TIMERS

    run(Worker(STAGE, TIMERS, ERRANDS, settings))


if __name__ == "__main__":
    start({"api": lambda: run_api(Settings()), "worker": lambda: run_worker(Settings()), "ledger": lambda: run_ledger(Settings())})
