"""Notifications' schema, a mail server and an orders API on loopback, and events as the worker would hand them over."""

import asyncio
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.kit.clock import FixedClock
from services.kit.database import Database, service_url
from services.kit.values import Heard
from services.notifications.agents import STAGE
from services.notifications.api import router
from services.notifications.sending import Sending
from services.notifications.settings import Settings
from tests.support.api import Api, api_of
from tests.unit.notifications.build import NOW


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("notifications",)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.connect(service_url(database_url, "notifications"), "notifications", FixedClock(NOW), size=10)
    yield opened
    await opened.close()


class MailServer:
    """Keeps what it takes. `answers` are given in turn, one per command that `at` names, before it says 250 again; "" hangs up instead."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.at, self.answers = "", list[str]()
        self.most, self.connections = 50, 0
        """So many connections are taken at once."""

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        answer = self._answer("rcpt", server)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = self._answer("data", server)
        if answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            mail = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(mail, EmailMessage)
            self.taken.append(mail)
            self.recipients += envelope.rcpt_tos
        return answer

    def _answer(self, at: str, server: SMTP) -> str:
        answer = self.answers.pop(0) if self.at == at and self.answers else "250 OK"
        if not answer:
            server.transport.close()
            return "250 said to nobody"
        return answer

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.taken]


class _Connection(SMTP):  # type: ignore[misc]  # aiosmtpd has no types
    """One to a `MailServer`, which takes a few at once and hangs up on the others."""

    def connection_made(self, transport: Any) -> None:
        self.event_handler.connections += 1
        if self.event_handler.connections > self.event_handler.most:
            transport.abort()
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.event_handler.connections -= 1
        super().connection_lost(error)


@pytest.fixture
def mail_server() -> MailServer:
    return MailServer()


@pytest.fixture
async def smtp_port(mail_server: MailServer) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(mail_server, hostname="mail.test"), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


class Orders:
    """The one route of orders that is used here. It does not know `strangers`; with `knows=False` nobody. It breaks on its first `breaks` calls."""

    def __init__(self) -> None:
        self.knows, self.made, self.breaks, self.tokens = True, 0, 0, list[str]()
        self.strangers: set[UUID] = set()

    async def post_links(self, request: Request) -> Response:
        self.tokens.append(request.headers["authorization"])
        if len(self.tokens) <= self.breaks:
            return JSONResponse({}, 500)
        asked = [id for id in (await request.json())["order_ids"] if self.knows and UUID(id) not in self.strangers]
        links = [{"order_id": order_id, "url": f"/o/link-{self.made + number}"} for number, order_id in enumerate(asked, start=1)]
        self.made += len(links)
        return JSONResponse({"links": links}, 201)


@pytest.fixture
def orders() -> Orders:
    return Orders()


class Warehouse:
    """The one route of fulfilment that is used here: after so many seconds it tells when an order can be at the door."""

    def __init__(self) -> None:
        self.days, self.status, self.seconds, self.asked = list[str](), 200, 0.0, list[tuple[str, str]]()

    async def get_dates(self, request: Request) -> Response:
        self.asked.append((request.path_params["order_id"], request.url.query))
        await asyncio.sleep(self.seconds)
        return JSONResponse({"dates": [{"expected_at": day, "places_left": 1} for day in self.days], "because": None}, self.status)


@pytest.fixture
def warehouse() -> Warehouse:
    return Warehouse()


@pytest.fixture
async def settings(smtp_port: int, orders: Orders, warehouse: Warehouse, tmp_path: Path) -> AsyncIterator[Settings]:
    links, dates = Route("/v1/order-links", orders.post_links, methods=["POST"]), Route("/v1/orders/{order_id}/dates", warehouse.get_dates)
    app = Starlette(routes=[links, dates])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off"))
    listening = server.config.bind_socket()
    serving = asyncio.create_task(server.serve([listening]))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    urls = {"orders_url": url, "fulfilment_url": url, "public_url": "https://kept.example/"}
    yield Settings(var=tmp_path, smtp_port=smtp_port, smtp_timeout_seconds=5.0, **urls)
    server.should_exit = True
    await serving
    listening.close()


class Notifications:
    """Stage and errand over one database."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.settings = database, settings
        self._sending = Sending(settings)

    async def hear(self, *batch: Heard[Any]) -> None:
        async with self.database.transaction() as work:
            await STAGE.handle(work, batch)

    async def send(self) -> int:
        """One pass of the errand."""
        return await self._sending.run(self.database)

    async def send_all(self) -> None:
        while await self.send():
            pass

    async def rows(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        async with self.database.pool.acquire() as connection:
            return [tuple(row) for row in await connection.fetch(sql, *arguments)]

    async def states(self) -> list[tuple[str, str, str | None]]:
        return [tuple(row) for row in await self.rows("select intent, state, reason from messages order by seq")]

    async def said(self) -> list[tuple[str, dict[str, Any]]]:
        rows = await self.rows("select type, payload from outbox order by id")
        return [(type.split(".")[1], msgspec.json.decode(payload)) for type, payload in rows]

    async def due_now(self) -> None:
        """Every message that waits for another try may be tried."""
        await self.rows("update messages set next_try_at = clock_timestamp() returning 1")


@pytest.fixture
def notifications(database: Database, settings: Settings) -> Notifications:
    return Notifications(database, settings)


@pytest.fixture
async def api(database: Database, settings: Settings, tmp_path: Path) -> AsyncIterator[Api]:
    async with api_of("notifications", [router], database, tmp_path, settings=settings) as made:
        yield made


def body_of(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())
