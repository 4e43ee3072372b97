"""The body of an order is read by msgspec where it is plain and by pydantic where it is not: both take the same, as the same, and refuse the same."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import msgspec
import pytest

from services.kit.http.body import parse, parse_plain
from services.kit.http.problems import Problem
from services.orders.api import OrderBody, read_plain
from services.orders.messages import OrderSubmittedWire, to_submission
from services.orders.validation import Submission
from tests.bad_input.hostile import TEXTS
from tests.unit.orders.samples import EXAMPLE

Path = tuple[str | int, ...]
VALUES: tuple[Any, ...] = (None, True, 0, -1, 1, 2, 1.0, 0.5, 2**63, 10**30, "", "x", "1", [], {}, [1], {"a": 1})
INSTANTS = (
    *(
        f"2026-01-01T00:00:00{rest}"
        for rest in ("Z", "z", "", ".1Z", ".123456Z", ".1234567Z", ".9999999Z", ".Z", "+01:00", "-00:00", "+2359", "+24:00")
    ),
    *(f"2026-01-01T00:00:00{rest}" for rest in ("+23:59", "-23:59", "+01", "+00:60", " Z", "+01:00:30", ",5Z")),
    *("1999-12-31T23:59:59Z", "2000-01-01T00:00:00+14:00", "2099-12-31T23:59:59-12:00", "2100-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00"),
    *("2026-01-01 00:00:00Z", "2026-01-01_00:00:00Z", "2026-01-01t00:00:00z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00Z"),
    *("1767225600", 1767225600, 1767225600.5, "20260101T000000Z", "2026-02-29T00:00:00Z", "2026-01-01"),
)
IDS = ("01A223D8-7CE8-7675-93B1-42F140D20F18", "01a223d87ce8767593b142f140d20f18", "{01a223d8-7ce8-7675-93b1-42f140d20f18}", "01a223d8-7ce8")
DAYS = ("2026-01-01", "0001-01-01", "9999-12-31", "2026-02-29", "2026-1-1", "20260101", "2026-01-01T00:00:00", "2026-01-01T00:00:00Z", 20454)
told: dict[str, Any] = {**EXAMPLE, "quote_id": EXAMPLE["order_id"], "chosen_on": "2026-01-01"}


def _places(part: Any, path: Path = ()) -> Iterator[Path]:
    """Where something stands in the order; of several lines or charges the first stands for all."""
    if path:
        yield path
    if isinstance(part, dict):
        for name, value in part.items():
            yield from _places(value, (*path, name))
    elif isinstance(part, list):
        yield from _places(part[0], (*path, 0))


def _with(path: Path, value: Any) -> dict[str, Any]:
    order = deepcopy(told)
    place: Any = order
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return order


PLACES = list(_places(told))
OBJECTS = [path for path in PLACES if path[-1] in ("customer", "ship_to", "payment", 0)]


def _bodies() -> Iterator[bytes]:
    for path in PLACES:
        yield from (json.dumps(_with(path, value)).encode() for value in VALUES)
    for path, values in ((("placed_at",), INSTANTS), (("order_id",), IDS), (("quote_id",), IDS), (("chosen_on",), DAYS)):
        yield from (json.dumps(_with(path, value)).encode() for value in values)
    plain = json.dumps(told)
    for name in ("sku", "city", "channel", "email", "lines", "total_minor"):
        yield plain.replace(f'"{name}":', f'"{name}": 1, "{name}":', 1).encode()
        yield plain.replace(f'"{name}":', f'"more": 1, "{name}":', 1).encode()
        yield plain.replace(f'"{name}":', f'"_{name}":', 1).encode()
    yield json.dumps(_with(("placed_at",), "2026-01-01T00:00:00.1234567Z")).replace("00.1", "00\\u002e1").encode()
    yield from (plain.encode(), json.dumps(told, indent=1).encode(), json.dumps(dict(reversed(told.items())), separators=(",", ":")).encode())
    yield from (json.dumps({name: value for name, value in told.items() if name != left_out}).encode() for left_out in told)
    total = f'"total_minor": {told["total_minor"]}'
    yield from (plain.replace(total, f'"total_minor": {number}').encode() for number in ("NaN", "1e999", "-0", "1e2", "01", "1" * 5000, "Infinity"))
    yield from (plain.encode()[:-1], b"\xef\xbb\xbf" + plain.encode(), plain.encode("utf-16"), b"", b"null", b"[" * 5000, plain.encode() + b" x")


def _read(read: Any) -> Submission | dict[str, Any] | str:
    try:
        return to_submission(read())
    except Problem as problem:
        return problem.members("id")
    except ValueError as error:
        return str(error)


def _differs(raw: bytes) -> bool:
    short = _read(lambda: parse_plain(OrderBody, OrderSubmittedWire, read_plain, raw))
    return short != _read(lambda: msgspec.convert(parse(OrderBody, raw).model_dump(), OrderSubmittedWire))


def test_both_ways_read_the_same_and_refuse_the_same() -> None:
    assert [raw for raw in _bodies() if _differs(raw)] == []


@pytest.mark.parametrize("path", [path for path in PLACES if path[0] in ("channel", "external_ref", "customer", "lines", "ship_to", "currency")])
def test_both_ways_read_the_same_texts(path: Path) -> None:
    orders = [_with(path, text) for text in TEXTS]
    escaped = (json.dumps(order).encode() for order in orders)
    plain = (json.dumps(order, ensure_ascii=False).encode("utf-8", "surrogatepass") for order in orders)
    assert [raw for raw in (*escaped, *plain) if _differs(raw)] == []


def test_what_is_plain_is_read_by_msgspec_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.kit.http.body.parse", lambda *_: pytest.fail("pydantic was asked"))
    order = _with(("ship_to", "city"), "Zürich")
    assert parse_plain(OrderBody, OrderSubmittedWire, read_plain, json.dumps(order, ensure_ascii=False).encode()).ship_to.city == "Zürich"
