"""Every hostile text in every text of an order, over HTTP and over the topic: taken as it stands or refused, and never an error of ours."""

import asyncio
import json
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from services.kit.envelope import BadData
from tests.bad_input.hostile import NAMES, TEXTS
from tests.integration.orders.conftest import Api, Orders, new_id
from tests.unit.orders.samples import EXAMPLE, body

Path = tuple[str | int, ...]
REFUSALS = (400, 403, 409, 422)


def _texts(part: Any, path: Path = ()) -> Iterator[Path]:
    """Where the golden order holds a text; of several lines or charges the first stands for all."""
    if isinstance(part, dict):
        for name, value in part.items():
            yield from _texts(value, (*path, name))
    elif isinstance(part, list):
        yield from _texts(part[0], (*path, 0))
    elif isinstance(part, str) or part is None:
        yield path


FIELDS = {".".join(map(str, path)): path for path in _texts(EXAMPLE)}


def _order(number: int, field: str, text: str) -> bytes:
    """An order of its own with this text in this place."""
    order = body(order_id=str(new_id()), external_ref=f"hostile-{number}")
    *outer, name = FIELDS[field]
    place: Any = order
    for part in outer:
        place = place[part]
    place[name] = text
    return json.dumps(order).encode()


def _at(order: Any, field: str) -> Any:
    for part in FIELDS[field]:
        order = order[part]
    return order


def test_there_are_five_hundred_texts_and_every_text_of_an_order_is_met() -> None:
    assert len(set(TEXTS)) == len(TEXTS) >= 500
    assert {
        "order_id",
        "customer.name",
        "ship_to.line2",
        "lines.0.sku",
        "charges.0.code",
        "payment.reference",
        "quote_id",
        "chosen_on",
    } <= FIELDS.keys()


@pytest.mark.parametrize("field", FIELDS)
async def test_over_http_it_is_taken_and_kept_as_it_was_written_or_refused(orders: Orders, api: Api, field: str) -> None:
    kept, met = Counter[str](), Counter[int]()
    for first in range(0, len(TEXTS), 50):
        texts = TEXTS[first : first + 50]
        answers = await asyncio.gather(*(api.submit(content=_order(first + number, field, text)) for number, text in enumerate(texts)))
        for text, answer in zip(texts, answers, strict=True):
            assert answer.status_code == 201 or answer.status_code in REFUSALS, (text, answer.text)
            assert answer.status_code == 201 or answer.headers["content-type"] == "application/problem+json"
            met[answer.status_code] += 1
            if answer.status_code == 201:
                kept[unicodedata.normalize("NFC", text)] += 1
    stored = [_at(msgspec.json.decode(sent), field) for (sent,) in await orders.rows("select body from orders")]
    assert Counter(stored) == kept or field in ("order_id", "placed_at")
    assert sum(met[status] for status in REFUSALS) > 100


@pytest.mark.parametrize("field", FIELDS)
async def test_over_the_topic_it_is_heard_or_unreadable(orders: Orders, field: str) -> None:
    heard, unreadable = [], 0
    for number, text in enumerate(TEXTS):
        try:
            heard.append(orders.event("storefront.OrderSubmitted.v1", msgspec.Raw(_order(number, field, text))))
        except BadData:
            unreadable += 1
    for first in range(0, len(heard), 100):
        await orders.hear(*heard[first : first + 100])
    assert unreadable > 0
    judged = await orders.rows("select order_id from orders union select order_id from refusals union select order_id from waiting_orders")
    assert len(judged) > 0 or not heard


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_is_told_to_the_other_services_as_it_was_written(orders: Orders, api: Api, name: str) -> None:
    answer = await api.submit(body(customer__name=name, ship_to__name=name))
    told = [data for event, data in await orders.said() if event == "CustomerSeen"]
    expected = unicodedata.normalize("NFC", name)
    assert [(each["name"], each["addresses"][0]["name"]) for each in told] == ([(expected, expected)] if answer.status_code == 201 else [])
    assert answer.status_code in (201, 422)
    assert answer.status_code == 201 or len(expected) > 200


async def test_two_spellings_of_a_customer_are_one_and_an_e_mail_is_no_key(orders: Orders, api: Api) -> None:
    """Who buys is told by the shop's own reference, in whatever Unicode form it comes; guests are nobody's twins."""
    for number, (reference, email) in enumerate((("Zo\u00eb", "Zoe@B.example"), ("Zoe\u0308", "zoe@b.example"), (None, "zoe@b.example"))):
        sent = body(order_id=str(new_id()), external_ref=f"twin-{number}", customer__external_ref=reference, customer__email=email)
        if number == 1:
            await orders.hear(orders.event("storefront.OrderSubmitted.v1", sent))
        else:
            assert (await api.submit(sent)).status_code == 201
    customers = await orders.rows("select count(distinct customer_id) from orders where guest = false")
    assert customers == [(1,)]
    assert [row[0] for row in await orders.rows("select email from customers order by guest")] == ["zoe@b.example", "zoe@b.example"]
    assert await orders.rows("select count(*) from orders") == [(3,)]
