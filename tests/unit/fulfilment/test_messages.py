"""What fulfilment hears and says agrees with the contracts, and rubbish is bad data before any decision sees it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from services.fulfilment.amending.domain import AmendmentPrepared, AmendmentRefused
from services.fulfilment.amending.domain import Reason as NotAmended
from services.fulfilment.floor.domain.events import CancelAccepted, CancelRejected, OrderPacked, PickClaimed, PickReleased, PickShort, Reason
from services.fulfilment.floor.domain.task import Carton, TaskState
from services.fulfilment.messages import HEARS
from services.fulfilment.stock.domain import Line, Missing, Shelf, StockReserved, StockShort, changed
from services.kit.envelope import BadData, Reader, encode_data
from tests.unit.fulfilment.build import HAND_OVER, NOW, SITE, uuid

SCHEMAS = Path(__file__).parents[3] / "schemas"
READER = Reader(HEARS)
SAID = [
    StockReserved(uuid(1), SITE, (Line(1, "CUP", 2),)),
    StockShort(uuid(1), SITE, (Missing("CUP", 2, 0),)),
    changed(Shelf(SITE, "CUP")),
    PickReleased(uuid(1), uuid(2), SITE, HAND_OVER, NOW),
    PickClaimed(uuid(1), uuid(2), "ann", NOW),
    PickShort(uuid(1), uuid(2), 1, "CUP", 2, Reason.NOT_FOUND),
    OrderPacked(uuid(1), uuid(3), Carton.S1, 300, NOW),
    CancelAccepted(uuid(1), uuid(4), NOW),
    CancelRejected(uuid(1), uuid(4), TaskState.CLAIMED),
    AmendmentPrepared(uuid(1), uuid(4), NOW),
    AmendmentRefused(
        uuid(1), uuid(4), NotAmended.NOT_IN_STOCK, "Of CUP 2 more are needed and 0 are free.",
        [{"instead_of": "CUP", "sku": "MUG", "description": "A mug", "available": 3}],
        [{"sku": "CUP", "expected_at": "2026-11-25T09:00:00Z", "quantity": 9}],
    ),
]  # fmt: skip


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
    assert read(type, json.dumps(example(type) | {"later": [1]}).encode()) is not None


@pytest.mark.parametrize("said", SAID, ids=lambda said: type(said).__name__)
def test_everything_said_fits_its_schema(said: Any) -> None:
    schema = json.loads((SCHEMAS / "fulfilment" / f"{type(said).__name__}.v1.json").read_text())
    data = json.loads(encode_data(said))
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(data)
    assert data.keys() == set(schema["properties"])


def line(**changes: Any) -> dict[str, Any]:
    return {"lines": [{"line": 1, "sku": "CUP", "quantity": 1} | changes]}


def wrong(type: str, name: str, *values: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(type, {name: value}) for value in values]


def wrong_line(name: str, *values: Any) -> list[tuple[str, dict[str, Any]]]:
    return [("orders.OrderPlaced.v1", line(**{name: value})) for value in values]


RUBBISH: list[tuple[str, dict[str, Any]]] = [
    *wrong("orders.OrderPlaced.v1", "order_id", *("7", None, 7, [])),
    *wrong("orders.OrderPlaced.v1", "site", *("", "S" * 17, "S\0", 1, None)),
    *wrong("orders.OrderPlaced.v1", "placed_at", *("2026-11-22T04:58:00", "yesterday", "2026-02-31T00:00:00Z", 0, None)),
    *wrong("orders.OrderPlaced.v1", "lines", *([], None, {}, "x", line()["lines"] * 2, [{"sku": "CUP"}])),
    *wrong_line("quantity", *(0, -1, 1.5, True, "7", 10**9, 10**30)),
    *wrong_line("sku", *("", "S" * 65, "S\0", "S\ud800", 7, None)),
    *wrong_line("line", *(0, -1, 10**9)),
    *wrong("orders.OrderReleased.v1", "hand_over_by", *("2026-11-22T04:58:00", "soon", 1)),
    *wrong("orders.OrderReleased.v1", "destination", *(None, "US", {})),
    ("orders.OrderReleased.v1", {"site": ""}),
    ("orders.CancelRequested.v1", {"request_id": "7"}),
    *wrong("orders.AmendmentRequested.v1", "lines", *([], None, "x", line()["lines"] * 2, line(quantity=0)["lines"], line(line=1_000_001)["lines"])),
    *wrong("orders.AmendmentRequested.v1", "amendment_id", *("7", None)),
    *wrong("orders.OrderAmended.v1", "lines", *([], line()["lines"] * 2, line(sku="S\0")["lines"])),
    *wrong("orders.OrderAmended.v1", "hand_over_by", *("2026-11-22T04:58:00", 1)),
    *wrong("orders.OrderAmended.v1", "destination", *(None, {})),
    ("orders.AmendmentUndone.v1", {"amendment_id": 7}),
    ("orders.OrderCancelled.v1", {"order_id": None}),
    *wrong("storefront.ItemListed.v1", "weight_grams", *(0, -1, 1.5, "7", True, 10**6)),
    *wrong("storefront.ItemListed.v1", "sku", *("", "S" * 65, None, "S\0", "\ud800")),
    *wrong("storefront.ItemListed.v1", "barcode", *("B" * 65, "B\0", 7)),
    ("storefront.ItemListed.v1", {"may_fly": "yes"}),
    ("storefront.ItemListed.v1", {"length_mm": 0}),
    ("storefront.ItemListed.v1", {"description": "d" * 201}),
]


@pytest.mark.parametrize(("type", "changes"), RUBBISH)
def test_rubbish_is_bad_data(type: str, changes: dict[str, Any]) -> None:
    with pytest.raises(BadData):
        read(type, json.dumps(example(type) | changes).encode())


@pytest.mark.parametrize(
    "value", [b"", b"{", b"[]", b"null", b'{"order_id":NaN}', b"\xff", b'{"order_id":' * 20_000], ids=lambda value: repr(value[:12])
)
@pytest.mark.parametrize("type", sorted(HEARS))
def test_what_is_not_json_is_bad_data(type: str, value: bytes) -> None:
    with pytest.raises(BadData):
        read(type, value)
