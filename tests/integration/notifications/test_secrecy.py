"""A surprised customer's messages are everybody's messages: the raw events of an order that flies and of one that does not, mail against mail."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from services.kit.envelope import Reader
from services.kit.values import Heard
from services.notifications.messages import HEARS
from tests.integration.notifications.conftest import MailServer, Notifications
from tests.unit.notifications.build import uuid

SCHEMAS = Path(__file__).parents[3] / "schemas"
READER = Reader(HEARS)


def wire(type: str, number: int, **changes: Any) -> Heard[Any]:
    """The golden example with changes, through the reader that the worker uses."""
    owner, name, version = type.split(".")
    data = json.loads((SCHEMAS / owner / f"{name}.{version}.example.json").read_text()) | changes
    headers = {"ce_id": str(uuid(number)), "ce_type": type, "ce_source": "/test", "ce_subject": "x", "ce_time": "2026-11-22T04:58:00Z",
               "ce_aggregateversion": "1"}  # fmt: skip
    heard = READER.read({name: text.encode() for name, text in headers.items()} | {"content-type": b"application/json"}, json.dumps(data).encode())
    assert heard is not None
    return heard


def order(number: int, carrier_service: str) -> list[Heard[Any]]:
    """One order's life, as its events stand on the wire."""
    ids = {"order_id": str(uuid(number)), "customer_id": str(uuid(number + 1))}
    promise = {"promise_id": str(uuid(number + 2)), "carrier_service": "ground-standard", **ids}
    return [
        wire("orders.OrderPlaced.v1", number + 3, **ids),
        wire("orders.CustomerSeen.v1", number + 4, customer_id=ids["customer_id"]),
        wire("promises.PromiseMade.v1", number + 5, **promise),
        wire("fulfilment.HandedOver.v1", number + 6, order_id=ids["order_id"], carrier_service=carrier_service),
        wire("fulfilment.ParcelDelivered.v1", number + 7, order_id=ids["order_id"], last=True),
    ]


async def mails_of(notifications: Notifications, mail_server: MailServer, number: int, carrier_service: str) -> list[bytes]:
    """Every mail of the order byte for byte, with ids, links and boundaries made the same."""
    before = len(mail_server.taken)
    for news in order(number, carrier_service):
        await notifications.hear(news)
        await notifications.send_all()
    sent = mail_server.taken[before:]
    return [_without_ids(mail.as_bytes(), str(mail["Message-ID"])) for mail in sent]


def _without_ids(mail: bytes, message_id: str) -> bytes:
    id = UUID(message_id.strip("<>").partition("@")[0])
    for text, same in ((str(id), "ID"), (id.hex, "ID"), *((f"/o/link-{n}", "/o/LINK") for n in range(9, 0, -1))):
        mail = mail.replace(text.encode(), same.encode())
    return mail


async def test_the_mails_of_an_upgraded_order_equal_those_of_one_that_is_not(notifications: Notifications, mail_server: MailServer) -> None:
    upgraded = await mails_of(notifications, mail_server, 10_000, "airline-overnight")
    usual = await mails_of(notifications, mail_server, 20_000, "ground-standard")
    assert len(usual) == 3
    assert upgraded == usual


async def test_nothing_stored_names_a_carrier_or_its_service(notifications: Notifications) -> None:
    await notifications.hear(*order(10_000, "airline-overnight"))
    tables = [name for (name,) in await notifications.rows(
        "select table_name from information_schema.tables where table_schema = 'notifications' and table_type = 'BASE TABLE'"
    )]  # fmt: skip
    assert {"messages", "promises_view", "orders_view", "contacts_view"} <= set(tables)
    for table in tables:
        stored = str(await notifications.rows(f"select row_to_json(t)::text from {table} t"))
        assert "airline" not in stored, table
        assert "ground" not in stored, table
