"""Messages about orders of two customers."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from services.kit.clock import FixedClock
from services.kit.database import Database, service_url
from services.kit.ids import uuid7
from services.kit.promise.view import apply
from services.notifications.agents import STAGE
from services.notifications.main import application
from services.notifications.settings import Settings
from tests.access.asking import Ask, Asking, Example, asking
from tests.support.feed import made_entry
from tests.unit.notifications.build import CUSTOMER, INFORMATION, NOW, contact, heard, placed, promised, uuid


class Mail:
    """One message of each of the two."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._orders = {whose: uuid7() for whose in ("mine", "theirs", "missing")}
        self._messages: dict[str, UUID] = {"missing": uuid7()}
        self._promises = {whose: uuid7() for whose in ("mine", "theirs", "missing")}

    async def prepare(self) -> None:
        for number, (whose, customer) in enumerate((("mine", CUSTOMER), ("theirs", uuid(77))), 1):
            order_id = self._orders[whose]
            news = (
                placed(order_id, customer_id=customer, order_ref=f"ABCD-000{number}"),
                contact(customer_id=customer),
                promised(number, order_id=order_id),
            )
            async with self._database.transaction() as work:
                await STAGE.handle(work, [heard(each, id=uuid7()) for each in news])
            self._messages[whose] = await self._database.pool.fetchval("select message_id from messages where order_id = $1", order_id)

            said = replace(INFORMATION, customer_id=customer, order_id=order_id)
            async with self._database.transaction() as work:
                await apply(work, [made_entry(number, self._promises[whose], said, "We send you the manual.", NOW)])

    async def preview(self, whose: str, who: str) -> Ask:
        return Ask("/v1/messages/preview?intent=confirmed&language=en")

    async def messages(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/messages?order_id={self._orders[whose]}", shows=str(self._messages[whose]))

    async def message(self, whose: str, who: str) -> Ask:
        return Ask(f"/v1/messages/{self._messages[whose]}")

    async def information(self, whose: str, who: str) -> Ask:
        body = {"subject": "Your manual", "text": "It is here."}
        return Ask(f"/v1/promises/{self._promises[whose]}/information", body, {"idempotency-key": str(uuid7())})

    def examples(self) -> Mapping[str, Example]:
        return {
            "GET /v1/messages/preview": self.preview,
            "GET /v1/messages": self.messages,
            "GET /v1/messages/{message_id}": self.message,
            "POST /v1/promises/{promise_id}/information": self.information,
        }


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[tuple[Asking, Mapping[str, Example], str]]:
    settings = Settings(var=folder)
    database = await Database.connect(service_url(url, "notifications"), "notifications", FixedClock(NOW), size=10)
    app, mail = application(settings), Mail(database)
    app.state.database = database
    await mail.prepare()
    async with asking(app, settings) as asks:
        yield asks, mail.examples(), str(CUSTOMER)
    await database.close()
