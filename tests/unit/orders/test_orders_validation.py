"""What is taken and what is not: one case per rule, and all reasons at once."""

from datetime import timedelta
from typing import Any

import pytest

from services.orders.validation import Item, judge
from tests.unit.orders.samples import NOW, body, priced, read, submission

ITEMS = {"85123A": Item("85123A", False), "OLD": Item("OLD", True)}
LINE: dict[str, Any] = {"line": 1, "sku": "85123A", "quantity": 6, "unit_price_minor": 255, "description": "A HEART"}
UNIT = {"quantity": 1, "unit_price_minor": 1}


def codes(data: dict[str, Any]) -> list[str]:
    verdict = judge(read("storefront.OrderSubmitted.v1", data), ITEMS, NOW)
    for reason in verdict.reasons:
        assert ":" in reason.sentence, "a reason says what to do after the colon"
        assert reason.sentence.endswith(".")
        assert len(reason.sentence) <= 400
    return [reason.code for reason in verdict.reasons]


GOOD = {
    "the golden example": body(),
    "a discount larger than the postage": priced(2, 500, [395, -600]),
    "an order paid with a gift card": priced(1, 500, [-500]),
    "a UK address": body(ship_to__country="GB", ship_to__postcode="SW1A 1AA"),
    "a UK postcode without its space": body(ship_to__country="GB", ship_to__postcode="ec1a1bb"),
    "a long ZIP": body(ship_to__postcode="40202-1234"),
    "a country whose postcodes we do not know": body(ship_to__country="IE", ship_to__postcode="A65 F4E2"),
    "a one-letter name": body(customer__name="O", ship_to__name="O"),
    "names of the world": body(customer__name="Zoë O'Brien 李 🎁 عمر", ship_to__name="Zoë"),
    "a chosen day": body(chosen_on="2026-11-30"),
    "a guest": body(customer__external_ref=None),
    "an address with marks": body(customer__email="a.b+c_d'e@mail.example-shop.co.uk"),
    "five hundred lines": body(lines=[{**LINE, **UNIT, "line": n} for n in range(1, 501)], charges=[], total_minor=500, payment__amount_minor=500),
}

BAD = [
    ("quantity", priced(0)),
    ("quantity", priced(-1)),
    ("quantity", priced(10**9)),
    ("zero-price", priced(1, 0)),
    ("price", priced(1, -255, [1000])),
    ("total", body(total_minor=1924, payment__amount_minor=1924)),
    ("total", priced(1, 500, [-501])),
    ("payment-amount", body(payment__amount_minor=1)),
    ("currency", body(currency="XXX")),
    ("currency", body(currency="DEM")),
    ("withdrawn-sku", body(lines=[{**LINE, "sku": "OLD"}])),
    ("line-number", body(lines=[{**LINE, "quantity": 3}, {**LINE, "quantity": 3}])),
    ("line-number", body(lines=[{**LINE, "line": 10**12}])),
    ("line-count", body(lines=[{**LINE, "line": n} for n in range(1, 502)], total_minor=501 * 1530 + 395, payment__amount_minor=501 * 1530 + 395)),
    ("postcode", body(ship_to__postcode="4020")),
    ("postcode", body(ship_to__postcode="40202\n")),
    ("postcode", body(ship_to__country="GB", ship_to__postcode="12345")),
    ("email", body(customer__email="ada")),
    ("email", body(customer__email="ada@example")),
    ("email", body(customer__email="ada@@example.com")),
    ("email", body(customer__email="ada@example.com\nBcc: all@example.com")),
    ("email", body(customer__email="Ada <ada@example.com>")),
    ("zone", body(customer__zone="Mars/Olympus")),
    ("zone", body(customer__zone="../../etc/passwd")),
    ("language", body(customer__language="zz")),
    ("placed-at", body(placed_at="1999-12-31T23:59:59Z")),
    ("placed-at", body(placed_at=(NOW + timedelta(days=2)).isoformat())),
    ("placed-at", body(placed_at="9999-12-31T23:59:59Z")),
    ("chosen-on", body(chosen_on="2020-01-01")),
    ("chosen-on", body(chosen_on="9999-12-31")),
    ("characters", body(customer__name="Ada\u202eByron")),
    ("characters", body(ship_to__line1="12 Way\r\nX: y")),
    ("characters", body(external_ref="a\tb")),
    ("name", body(ship_to__name="   ")),
    ("charge", body(charges=[{"code": "D", "description": "", "amount_minor": 10**15}])),
]


@pytest.mark.parametrize("name", GOOD)
def test_a_good_order_has_nothing_against_it(name: str) -> None:
    assert codes(GOOD[name]) == []


@pytest.mark.parametrize(("code", "data"), BAD)
def test_each_mistake_is_named(code: str, data: dict[str, Any]) -> None:
    assert code in codes(data)


def test_all_reasons_come_at_once() -> None:
    found = codes(body(currency="XXX", customer__email="ada", ship_to__postcode="1", lines=[{**LINE, "quantity": 0}]))
    assert {"currency", "email", "postcode", "quantity", "total"} <= set(found)


def test_an_unknown_item_is_no_reason_yet() -> None:
    verdict = judge(submission(), {}, NOW)
    assert verdict.reasons == ()
    assert verdict.unknown == ("85123A",)
