"""What loyalty hears and says agrees with the contracts, and rubbish is bad data before any decision sees it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from services.kit.envelope import BadData, Reader, encode_data
from services.kit.values import Money
from services.loyalty.domain import Upgrade, UpgradeState, declined, granted, wanted, withdraw, withdrawn
from services.loyalty.messages import HEARS, TYPES
from tests.unit.loyalty.build import HERE, NOW, TODAY, uuid

SCHEMAS = Path(__file__).parents[3] / "schemas"
READER = Reader(HEARS)
UPGRADE = Upgrade(
    uuid(1), uuid(2), uuid(3), "SDF1", UpgradeState.WANTED, None, "gold", 1, NOW, TODAY, "air", Money(600, "GBP")
)  # fmt: skip


def example(type: str) -> dict[str, Any]:
    owner, name, version = type.split(".")
    return dict(json.loads((SCHEMAS / owner / f"{name}.{version}.example.json").read_text()))


def read(type: str, value: bytes) -> Any:
    headers = {"ce_id": str(uuid(1)), "ce_type": type, "ce_source": "/test", "ce_subject": "x", "ce_time": "2026-11-22T04:58:00Z"}
    heard = READER.read({name: text.encode() for name, text in headers.items()} | {"content-type": b"application/json"}, value)
    assert heard is not None
    return heard.data


@pytest.mark.parametrize("type", sorted(HEARS))
def test_every_golden_example_is_read(type: str) -> None:
    assert read(type, json.dumps(example(type)).encode()) is not None


@pytest.mark.parametrize(
    "outcome",
    [wanted(UPGRADE, HERE), granted(UPGRADE, NOW), declined(withdraw(UPGRADE)), withdrawn(withdraw(UPGRADE))],
    ids=lambda outcome: type(outcome).__name__,
)
def test_everything_said_fits_its_schema(outcome: Any) -> None:
    owner, name, version = TYPES[type(outcome)].split(".")
    schema = json.loads((SCHEMAS / owner / f"{name}.{version}.json").read_text())
    data = json.loads(encode_data(outcome))
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(data)
    assert data.keys() <= schema["properties"].keys()


RUBBISH: list[tuple[str, dict[str, Any]]] = [
    ("orders.OrderPlaced.v1", {"order_id": "7"}),
    ("orders.OrderPlaced.v1", {"order_id": None}),
    ("orders.OrderPlaced.v1", {"guest": "no"}),
    ("orders.OrderPlaced.v1", {"total_minor": -1}),
    ("orders.OrderPlaced.v1", {"total_minor": 10**30}),
    ("orders.OrderPlaced.v1", {"total_minor": 1.5}),
    ("orders.OrderPlaced.v1", {"currency": "pounds"}),
    ("orders.OrderPlaced.v1", {"lines": []}),
    ("orders.OrderPlaced.v1", {"lines": [{"sku": "A\0"}]}),
    ("orders.OrderPlaced.v1", {"lines": [{"sku": "A" * 65}]}),
    ("orders.OrderPlaced.v1", {"chosen_on": "tomorrow"}),
    ("orders.OrderReleased.v1", {"service": "teleport"}),
    ("orders.OrderReleased.v1", {"due_at": "2026-11-27T04:59:59"}),
    ("orders.OrderReleased.v1", {"destination": {"country": "USA", "postcode_prefix": "4", "zone": "x"}}),
    ("orders.OrderReleased.v1", {"destination": None}),
    ("orders.OrderCompleted.v1", {"order_id": []}),
    ("orders.OrderCancelled.v1", {"order_id": {}}),
    ("fulfilment.UpgradeSlotReserved.v1", {"upgrade_id": "x"}),
    ("fulfilment.UpgradeSlotRefused.v1", {"reason": ""}),
    ("fulfilment.UpgradeSlotRefused.v1", {"reason": "x" * 33}),
    ("fulfilment.CarrierServiceScheduled.v1", {"zone": "Mars/Olympus"}),
    ("fulfilment.CarrierServiceScheduled.v1", {"zone": "../../etc/passwd"}),
    ("fulfilment.CarrierServiceScheduled.v1", {"zone": "America"}),
    ("fulfilment.CarrierServiceScheduled.v1", {"departures": [{"weekday": 8, "at": "01:15"}]}),
    ("fulfilment.CarrierServiceScheduled.v1", {"departures": [{"weekday": 1, "at": "24:15"}]}),
    ("fulfilment.CarrierServiceScheduled.v1", {"closed_on": ["2026-02-30"]}),
    ("fulfilment.CarrierServiceScheduled.v1", {"lanes": [{"country": "US"}]}),
    ("storefront.ItemListed.v1", {"may_fly": 1}),
    ("storefront.ItemListed.v1", {"sku": "\0"}),
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
)  # fmt: skip
def test_what_is_no_event_is_bad_data(type: str, value: bytes) -> None:
    with pytest.raises(BadData):
        read(type, value)


def test_unknown_fields_are_tolerated() -> None:
    type = "storefront.ItemListed.v1"
    assert read(type, json.dumps(example(type) | {"colour": "white"}).encode()) == read(type, json.dumps(example(type)).encode())


def test_a_withdrawn_service_flies_nowhere() -> None:
    type = "fulfilment.CarrierServiceScheduled.v1"
    service = read(type, json.dumps(example(type) | {"withdrawn": True}).encode())
    assert (service.departures, service.lanes) == ((), ())
