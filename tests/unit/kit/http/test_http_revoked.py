"""A token that was taken back is refused, and while nobody can say whether it was, nobody is let in."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from services.kit import tokens
from services.kit.clock import record_now
from services.kit.database import Database
from services.kit.http import create_app
from services.kit.http.keys import keys_of
from services.kit.http.problems import Problem
from services.kit.http.revoked import Revoked
from services.kit.http.signin import SignIn
from services.kit.settings import KitSettings
from tests.unit.kit.http.conftest import routes


class Table:
    """Stands for the service's database; away while `away` is true."""

    def __init__(self) -> None:
        self.rows: dict[str, float] = {}
        self.away, self.asked, self.seconds = False, 0, 1_000.0
        self.revoked = Revoked(lambda: cast("Database", self), now=lambda: self.seconds)

    @property
    def pool(self) -> "Table":
        return self

    async def fetch(self, _: str) -> list[dict[str, Any]]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise ConnectionRefusedError
        return [{"subject": subject, "not_before": at} for subject, at in self.rows.items()]


@pytest.fixture
def table() -> Table:
    return Table()


async def _status(table: Table, subject: str = "badge-1", issued_at: float = 100.0) -> int:
    try:
        await table.revoked.refuse(subject, issued_at)
    except Problem as problem:
        return problem.status
    return 200


async def test_what_was_issued_before_is_refused_and_what_came_after_is_not(table: Table) -> None:
    table.rows = {"badge-1": 100.5}
    assert [await _status(table, issued_at=at) for at in (1.0, 100.0, 100.5, 101.0)] == [403, 403, 200, 200]
    assert await _status(table, "badge-2") == 200


async def test_the_table_is_read_once_in_ten_seconds_however_many_ask(table: Table) -> None:
    assert set(await asyncio.gather(*(_status(table) for _ in range(100)))) == {200}
    table.rows = {"badge-1": 1_000.0}
    table.seconds += 10
    assert (await _status(table), table.asked) == (200, 1)
    table.seconds += 0.1
    assert (await _status(table), table.asked) == (403, 2)


async def test_what_was_known_is_good_for_a_minute_and_then_nobody_is_let_in(table: Table) -> None:
    table.rows = {"badge-2": 1_000.0}
    await _status(table)
    table.away = True
    table.seconds += 60
    assert (await _status(table), await _status(table, "badge-2")) == (200, 403)
    table.seconds += 1
    assert (await _status(table), await _status(table, "badge-2")) == (503, 503)
    assert table.asked == 2
    table.away = False
    table.seconds += 9
    assert (await _status(table), await _status(table, "badge-2")) == (200, 403)


async def test_nobody_is_let_in_before_the_table_was_read(table: Table) -> None:
    table.away = True
    assert await _status(table) == 503


@pytest.fixture
def app(settings: KitSettings, table: Table) -> FastAPI:
    tokens.signing_key(settings.var / "keys")
    app = create_app("toy", [routes()], settings)
    app.state.signin = SignIn(keys_of(settings), settings.token_issuer, settings.token_audience, table.revoked)
    return app


async def test_the_answer_says_what_to_do(client: httpx.AsyncClient, bearer: Callable[..., Any], table: Table) -> None:
    table.rows = {"s-1": record_now().timestamp() + 60}
    refused = await client.get("/v1/things", headers=bearer())
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:kept:problem:revoked")
    assert (await client.get("/v1/things", headers=bearer(subject="s-2"))).status_code == 200
    assert (await client.get("/v1/things", headers={"authorization": "Bearer a.b.c"})).status_code == 401
