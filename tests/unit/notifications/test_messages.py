"""What notifications hears and says agrees with the contracts, and rubbish is bad data before any decision sees it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from services.kit.envelope import BadData, Reader, encode_data
from services.notifications.domain import Erased
from services.notifications.messages import FAILED, HEARS, SENT, SUPPRESSED, MessageHeld, MessageSent
from tests.unit.notifications.build import CUSTOMER, NOW, uuid

SCHEMAS = Path(__file__).parents[3] / "schemas"
READER = Reader(HEARS)
TOLD: dict[str, Any] = {
    "message_id": uuid(1), "order_id": uuid(2), "customer_id": uuid(3), "intent": "confirmed", "promise_version": 1, "channel": "email",
    "language": "en",
}  # fmt: skip


def example(type: str) -> dict[str, Any]:
    owner, name, version = type.split(".")
    return dict(json.loads((SCHEMAS / owner / f"{name}.{version}.example.json").read_text()))


def read(type: str, value: bytes | None, subject: str = "x") -> Any:
    headers = {"ce_id": str(uuid(1)), "ce_type": type, "ce_source": "/test", "ce_subject": subject, "ce_time": "2026-11-22T04:58:00Z"}
    heard = READER.read({name: text.encode() for name, text in headers.items()} | {"content-type": b"application/json"}, value)
    assert heard is not None
    return heard.data


@pytest.mark.parametrize("type", sorted(HEARS))
def test_every_golden_example_is_read_and_unknown_fields_are_tolerated(type: str) -> None:
    assert read(type, json.dumps(example(type) | {"colour": "red"}).encode()) == read(type, json.dumps(example(type)).encode())


@pytest.mark.parametrize(
    ("type", "data"),
    [
        (SENT, MessageSent(**TOLD, sent_at=NOW)),
        (FAILED, MessageHeld(**TOLD, reason="mailbox-unknown")),
        (SUPPRESSED, MessageHeld(**TOLD, reason="erased")),
    ],
)
def test_everything_said_fits_its_schema(type: str, data: Any) -> None:
    owner, name, version = type.split(".")
    schema = json.loads((SCHEMAS / owner / f"{name}.{version}.json").read_text())
    said = json.loads(encode_data(data))
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(said)
    assert said.keys() <= schema["properties"].keys()


def test_a_tombstone_erases_the_customer_it_is_about() -> None:
    assert read("orders.CustomerSeen.v1", None, subject=str(CUSTOMER)) == Erased(CUSTOMER)
    with pytest.raises(BadData):
        read("orders.CustomerSeen.v1", None, subject="somebody")
    with pytest.raises(BadData):
        read("orders.OrderPlaced.v1", None, subject=str(CUSTOMER))


RUBBISH: list[tuple[str, dict[str, Any]]] = [
    ("orders.OrderPlaced.v1", {"order_id": "7"}),
    ("orders.OrderPlaced.v1", {"customer_id": None}),
    ("orders.OrderPlaced.v1", {"language": "english"}),
    ("orders.OrderPlaced.v1", {"order_ref": "A\r\nBcc: x"}),
    ("orders.OrderPlaced.v1", {"order_ref": ""}),
    ("orders.OrderCancelled.v1", {"order_id": 7}),
    ("orders.CustomerSeen.v1", {"email": "x" * 255}),
    ("orders.CustomerSeen.v1", {"email": None}),
    ("orders.CustomerSeen.v1", {"email": "a\0@b.c"}),
    ("orders.CustomerSeen.v1", {"name": ""}),
    ("orders.CustomerSeen.v1", {"name": "x" * 201}),
    ("orders.CustomerSeen.v1", {"zone": "Mars/Olympus"}),
    ("orders.CustomerSeen.v1", {"zone": "../../etc/passwd"}),
    ("promises.PromiseMade.v1", {"customer_text": ""}),
    ("promises.PromiseMade.v1", {"customer_text": "x" * 281}),
    ("promises.PromiseMade.v1", {"customer_text": "\0"}),
    ("promises.PromiseDeclined.v1", {"sentence": ""}),
    ("promises.PromiseDeclined.v1", {"sentence": "x" * 281}),
    ("promises.PromiseDeclined.v1", {"sentence": "\0"}),
    ("promises.PromiseDeclined.v1", {"order_id": 7}),
    ("promises.PromiseMade.v1", {"promise_id": "first"}),
    ("promises.PromiseMade.v1", {"replaces": 1}),
    ("fulfilment.HandedOver.v1", {"order_id": {}}),
    ("fulfilment.ParcelDelivered.v1", {"last": "yes"}),
]


@pytest.mark.parametrize(("type", "changes"), RUBBISH)
def test_rubbish_is_bad_data(type: str, changes: dict[str, Any]) -> None:
    with pytest.raises(BadData):
        read(type, json.dumps(example(type) | changes).encode())


@pytest.mark.parametrize("type", sorted(HEARS))
@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"[]", b"null", b"{}", b"[" * 100_000, b'{"order_id": "\\ud800"}', b'{"order_id": NaN}', b"\xff\xfe"],
    ids=["empty", "cut off", "list", "null", "without fields", "deep", "surrogate", "not a number", "not UTF-8"],
)
def test_what_is_no_event_is_bad_data(type: str, value: bytes) -> None:
    with pytest.raises(BadData):
        read(type, value)
