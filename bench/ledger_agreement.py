"""Do ledger and view hold the same, over very many promises? All of both computed anew, and one altered promise found and named."""

import time
from pathlib import Path

import httpx

from bench.ledger_asked import ask, execute, make, service_of, writing
from bench.report import Row, Wanted
from services.kit.clock import SystemClock
from services.kit.database import Database, service_url
from services.kit.ids import uuid7
from services.kit.promise.keeper import Keeper
from services.kit.tokens import service_token
from services.promises.main import application, connect
from services.promises.settings import Settings

SERVICE = "loyalty"
_AT_PIECES = 5_000
_MILLION = 1_000_000
_VIEW = """
insert into loyalty.promise_view (promise_id, seq, position, customer_id, order_id, verdict, made, standing, salt, words)
select p.promise_id, p.seq, p.position, p.customer_id, p.order_id, p.verdict, (e.line::json -> 'body')::text, p.standing, w.salt, w.text
from promises.ledger_promises p join promises.ledger_entries e on e.promise_id = p.promise_id and e.seq = 1
join promises.ledger_words w on w.promise_id = p.promise_id and w.seq = 1;
update loyalty.promise_view_state set position = (select size from promises.ledger_head), heard_to = (select size from promises.ledger_head);
analyze"""
_ALTER = """
update loyalty.promise_view set standing = replace(standing, '"done":0', '"done":1')
where promise_id = (select promise_id from loyalty.promise_view offset {} limit 1)"""


async def measure(folder: Path, url: str, *, promises: int) -> list[Row]:
    """Seconds for a million, in proportion where there are fewer. `url` is the address of a database with the schemas of promises and the view."""
    settings = Settings(var=folder)
    service_token(settings, SERVICE)
    async with writing(service_of(url)) as writer:
        for start in range(0, promises, _AT_PIECES):
            await ask(writer, [make(uuid7()) for _ in range(min(_AT_PIECES, promises - start))])
    await execute(url, _VIEW)
    ledger = await Database.connect(service_of(url), "promises", SystemClock(), size=10)
    view = await Database.connect(service_url(url, SERVICE), SERVICE, SystemClock(), size=4)
    app = application(settings)
    connect(app, ledger, settings)
    compared = await _round(view, app, settings, agrees=True)
    await execute(url, _ALTER.format(promises * 2 // 3))
    named = await _round(view, app, settings, agrees=False)
    mended = [row["promise_id"] for row in await ledger.pool.fetch("select promise_id from ledger_mended")]
    assert len(mended) == 1, mended
    await view.close()
    await ledger.close()
    return [_row("ledger and a view compared, both anew", compared, promises, 20), _row("one altered promise named", named, promises, 10)]


async def _round(view: Database, app: object, settings: Settings, *, agrees: bool) -> float:
    """Seconds that a keeper takes who has seen nothing yet."""
    keeper = Keeper(SERVICE, view, settings, httpx.ASGITransport(app))  # type: ignore[arg-type]  # an application
    began = time.perf_counter()
    assert await keeper.round() is agrees
    return time.perf_counter() - began


def _row(what: str, seconds: float, promises: int, limit: float) -> Row:
    more = {"promises": promises, "seconds": round(seconds, 2)}
    name = f"ledger: {what}, a million promises"
    return Row(name, "s", round(seconds * _MILLION / promises, 2), less_is_better=True, wanted=Wanted(limit, at_most=True), more=more)
