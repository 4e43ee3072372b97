"""Promises to two customers: the dates of their orders, and what the ledger holds."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from services.kit.clock import FixedClock
from services.kit.database import Database, service_url
from services.kit.ids import uuid7
from services.promises.ledger.process import leading
from services.promises.main import application, connect, writing_application
from services.promises.settings import Settings
from tests.access.asking import CHANNEL, Ask, Asking, Example, asking
from tests.integration.promises.conftest import Promises
from tests.integration.promises.ledger.speaking import promise_body
from tests.integration.promises.test_quotes import QUESTION
from tests.support.feed import Feed
from tests.support.holding import Shelves
from tests.support.polling import poll_until
from tests.unit.promises.events import AIR, CUSTOMER, GROUND, PLACED_AT, QUEUE, heard

_OTHER = "019ab2c4-7d11-7a20-8b1e-5c9e44d0aa99"
_AGREEMENT = (
    "/agreement",
    "/liability",
    "/v1/liability",
    "/v1/agreement",
    "/v1/agreement/groups",
    "/v1/agreement/groups/{group}",
    "/v1/agreement/buckets/{bucket}",
)
_CUSTOMERS = {"mine": str(CUSTOMER), "theirs": _OTHER, "missing": "019ab2c4-7d11-7a20-8b1e-5c9e44d0aa11"}


class Dates:
    """One promised order of each of the two."""

    def __init__(self, promises: Promises) -> None:
        self._promises = promises
        self._orders = {whose: str(uuid7()) for whose in ("mine", "theirs", "missing")}
        self._made = {"missing": str(uuid7())}

    async def prepare(self) -> None:
        await self._promises.hear(heard("CarrierServiceScheduled", GROUND), heard("CarrierServiceScheduled", AIR), heard("QueueMeasured", QUEUE))
        for whose, customer in (("mine", str(CUSTOMER)), ("theirs", _OTHER)):
            await self._promises.hear(heard("OrderPlaced", order_id=self._orders[whose], customer_id=customer, external_ref=whose))
            rows = await self._promises.rows("select promise_id::text from promises where order_id = $1", UUID(self._orders[whose]))
            self._made[whose] = rows[0][0]

    async def quote(self, whose: str, who: str) -> Ask:
        return Ask("/v1/quotes", QUESTION | {"quote_id": str(uuid7()), "channel": CHANNEL[whose]})

    async def promise(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/promises/{self._made[whose]}")

    async def promises(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/orders/{self._orders[whose]}/promises")

    def examples(self) -> Mapping[str, Example]:
        return {
            "POST /v1/quotes": self.quote,
            "GET /v1/promises/{promise_id}": self.promise,
            "GET /v1/orders/{order_id}/promises": self.promises,
        }


class Ledger:
    """Promises that are made for the question, since most questions use them up."""

    def __init__(self, asks: Asking, clock: FixedClock) -> None:
        self._asks, self._clock, self._preview = asks, clock, ""

    async def prepare(self) -> None:
        """What is promised says the same to everybody: one look is enough for all."""
        asked = {name: value for name, value in self._body("mine").items() if name not in ("promise_id", "preview")}
        seen = await self._asks.done("POST /v1/promises:dry-run", Ask("/v1/promises:dry-run", asked), "service", "desk")
        self._preview = seen["preview"]

    async def ask(self, what: str, body: Any, whose: str, who: str) -> Ask:
        """One of the ways to change a promise."""
        promise_id = await self._made(whose)
        return Ask(f"/v1/promises/{promise_id}/{what}", body() if callable(body) else body, _keyed())

    async def correct(self, whose: str, who: str) -> Ask:
        """A promise is broken, and was kept in time."""
        at, self._clock.instant = self._clock.instant, self._clock.instant + timedelta(minutes=2)
        due = (self._clock.instant + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M")
        promise_id = await self._made(whose, due={"said": due, "zone": "UTC"}, preview=None)
        self._clock.advance(timedelta(minutes=2))
        while whose != "missing" and await self._verdict(promise_id) == "open":
            pass
        return Ask(f"/v1/promises/{promise_id}/corrections", {"seq": 2, "evidence": _called(at)}, _keyed())

    async def promise(self, whose: str, who: str) -> Ask:
        return Ask("/v1/promises", self._body(whose), _keyed())

    async def preview(self, whose: str, who: str) -> Ask:
        return Ask("/v1/promises:dry-run", {name: value for name, value in self._body(whose).items() if name not in ("promise_id", "preview")})

    async def batch(self, whose: str, who: str) -> Ask:
        return Ask("/v1/promises:batch", {"promises": [self._body(whose) | {"key": str(uuid7())}]})

    async def goodwill(self, whose: str, who: str) -> Ask:
        agent = who if whose == "mine" else f"care-{whose}"
        await self._granted(whose, agent)
        return Ask("/v1/goodwill", shows=agent)

    async def review(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/goodwill/{await self._granted(whose, 'care-mine')}/review", {"remark": "It was right."})

    async def _granted(self, whose: str, agent: str) -> str:
        body = self._body(whose) | {"kind": "refund", "amount_minor": 500, "preview": None}
        if whose != "missing":
            asked = {name: value for name, value in body.items() if name not in ("promise_id", "preview")}
            seen = await self._asks.done("POST /v1/promises:dry-run", Ask("/v1/promises:dry-run", asked), "care", agent)
            await self._asks.done("POST /v1/promises", Ask("/v1/promises", body | {"preview": seen["preview"]}, _keyed()), "care", agent)
        return str(body["promise_id"])

    async def give_up(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/promises/{await self._made('mine')}/abandonment")

    async def duties(self, whose: str, who: str) -> Ask:
        body = {"report_id": str(uuid7()), "promise_id": await self._made(whose), "department": "care", "what": "seen"}
        return Ask("/v1/promises:report", {"reports": [body]})

    async def entries(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/promises/{await self._made(whose)}/entries")

    async def promises(self, whose: str, who: str) -> Ask:
        await self._made(whose)
        return Ask(f"/v1/customers/{_CUSTOMERS[whose]}/promises")

    async def erase(self, whose: str, who: str) -> Ask:
        """Somebody new: who was erased is promised nothing any more."""
        return Ask(f"/v1/customers/{uuid7()}/erasure", None, _keyed())

    async def erased(self, whose: str, who: str) -> Ask:
        asked = await self.erase(whose, who)
        if whose != "missing":
            await self._asks.done("POST /v1/customers/{customer_id}/erasure", asked, "service", "desk")
        return Ask(asked.path)

    async def read(self, path: str, whose: str, who: str) -> Ask:
        await self._made("mine")
        return Ask(path)

    async def report(self, whose: str, who: str) -> Ask:
        return Ask("/v1/agreement/reports", {"view": "loyalty", "position": 1, "count": 1, "root": "0" * 64})

    def _agreed(self, path: str) -> str:
        return path.replace("{group}", "3").replace("{bucket}", "900") + "?position=1"

    async def _made(self, whose: str, **changes: Any) -> str:
        body = self._body(whose) | changes
        if whose != "missing":
            await self._asks.done("POST /v1/promises", Ask("/v1/promises", body, _keyed()), "service", "desk")
        return str(body["promise_id"])

    async def _verdict(self, promise_id: str) -> str:
        path = f"/v1/promises/{promise_id}"
        return str((await self._asks.done(f"GET {path}", Ask(path), "service", "desk"))["verdict"])

    def _body(self, whose: str) -> dict[str, Any]:
        return promise_body(customer_id=_CUSTOMERS[whose], due={"said": "2027-03-01", "zone": "UTC"}, preview=self._preview)

    def examples(self) -> Mapping[str, Example]:
        changes: Mapping[str, Any] = {
            "acknowledgements": {"department": "care", "seen": True},
            "evidence": lambda: _called(self._clock.instant),
            "release": {"consent": "on the phone"},
            "void": {"reason": "typed twice"},
            "replacements": lambda: self._body("mine"),
        }
        reads = ("/v1/feed?after=0", "/v1/checkpoint", "/v1/proofs/inclusion?position=1&size=1", "/v1/proofs/consistency?from=1&to=1")
        return {
            **{f"POST /v1/promises/{{promise_id}}/{what}": partial(self.ask, what, body) for what, body in changes.items()},
            **{f"GET {path.partition('?')[0]}": partial(self.read, path) for path in reads},
            **{f"GET {path}": partial(self.read, self._agreed(path)) for path in _AGREEMENT},
            "POST /v1/agreement/reports": self.report,
            "POST /v1/promises/{promise_id}/corrections": self.correct,
            "POST /v1/promises": self.promise,
            "POST /v1/promises:dry-run": self.preview,
            "POST /v1/promises:batch": self.batch,
            "POST /v1/promises:report": self.duties,
            "GET /v1/goodwill": self.goodwill,
            "POST /v1/goodwill/{promise_id}/review": self.review,
            "POST /v1/promises/{promise_id}/abandonment": self.give_up,
            "GET /v1/promises/{promise_id}/entries": self.entries,
            "GET /v1/customers/{customer_id}/promises": self.promises,
            "POST /v1/customers/{customer_id}/erasure": self.erase,
            "GET /v1/customers/{customer_id}/erasure": self.erased,
        }


def _keyed() -> dict[str, str]:
    return {"idempotency-key": str(uuid7())}


def _called(at: Any) -> dict[str, object]:
    return {"id": str(uuid7()), "type": "called", "at": at.isoformat()}


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[tuple[Asking, Mapping[str, Example], str]]:
    """The API, and behind it the process that writes the ledger."""
    clock, settings, own = FixedClock(PLACED_AT), Settings(var=folder), service_url(url, "promises")
    database = await Database.connect(own, "promises", clock, size=10)
    writing = writing_application(settings)
    app = application(settings, httpx.ASGITransport(writing, raise_app_exceptions=False))
    connect(app, database, settings)
    dates = Dates(Promises(database, clock))
    await dates.prepare()
    async with leading(writing, database, own, clock, Feed(), Shelves()) as writer, asking(app, settings) as asks:
        await poll_until(lambda: writer.leads)
        ledger = Ledger(asks, clock)
        await ledger.prepare()
        yield asks, {**dates.examples(), **ledger.examples()}, str(CUSTOMER)
    await database.close()
