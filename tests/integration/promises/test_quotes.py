"""Quotes over HTTP, and what becomes of them when the order comes."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.kit import tokens
from services.kit.ids import uuid7
from tests.integration.promises.conftest import Promises
from tests.support.api import Api
from tests.unit.promises.events import DELIVERED, GROUND, HAND_OVER, PLACED_AT, heard

QUESTION: dict[str, Any] = {
    "quote_id": "019ab2c0-1a2b-7c3d-8e4f-556677889905", "channel": "web", "site": "SDF1", "destination": {"country": "US", "postcode": "402 02"},
    "lines": [{"sku": "85123A", "quantity": 6}], "service": "standard", "language": "en",
}  # fmt: skip
VALID_UNTIL = datetime.fromisoformat("2026-11-22T22:51:39+00:00")
"""The departure less release 1, queue 300, pick 80 and pack 120 seconds."""


def question(**changes: Any) -> bytes:
    return json.dumps(QUESTION | changes).encode()


async def ask(api: Api, **changes: Any) -> Any:
    answered = await api.call("POST", "/v1/quotes", role="care", content=question(**changes))
    return answered.status_code, answered.json()


async def test_a_quote_shows_its_terms_and_how_long_it_holds(api: Api) -> None:
    status, quote = await ask(api)
    assert status == 201
    assert [(term["name"], term["seconds"]) for term in quote["terms"]] == [
        ("release", 1), ("queue", 300), ("pick", 80), ("pack", 120), ("pick_up", 64_419), ("transit", 367_199), ("calendar", 0),
    ]  # fmt: skip
    assert quote["terms"][-1]["until"] == quote["due_at"] == "2026-11-27T04:59:59Z"
    assert (quote["due_on"], quote["zone"], quote["hand_over_by"]) == ("2026-11-26", "America/New_York", "2026-11-22T23:00:00Z")
    assert datetime.fromisoformat(quote["valid_until"]) == VALID_UNTIL
    assert quote["customer_text"] == "Your order will be at your door by Thursday 26 November."
    assert len(quote["inputs_hash"]) == 64
    assert "carrier" not in json.dumps(quote)


async def test_the_same_question_is_answered_with_the_same_bytes(api: Api, promises: Promises) -> None:
    first = await api.call("POST", "/v1/quotes", role="care", content=question())
    promises.at(PLACED_AT + timedelta(days=3))
    again = await api.call("POST", "/v1/quotes", role="care", content=question())
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"


async def test_the_same_id_for_another_question_is_refused(api: Api, promises: Promises) -> None:
    await ask(api)
    before = await promises.counts()
    status, problem = await ask(api, service="overnight")
    assert (status, problem["type"]) == (422, "urn:kept:problem:quote-id-reused")
    assert await promises.counts() == before


async def test_a_question_asked_many_times_at_once_has_one_answer(api: Api, promises: Promises) -> None:
    answers = await asyncio.gather(*(api.call("POST", "/v1/quotes", role="care", content=question()) for _ in range(12)))
    assert len({answer.content for answer in answers}) == 1
    assert await promises.rows("select count(*) from quotes") == [(1,)]


async def test_the_answer_given_at_valid_until_is_the_same_date(api: Api, promises: Promises) -> None:
    _, quote = await ask(api)
    promises.at(VALID_UNTIL)
    _, last = await ask(api, quote_id=str(uuid7()))
    assert (last["due_at"], last["valid_until"]) == (quote["due_at"], quote["valid_until"])
    promises.at(VALID_UNTIL + timedelta(seconds=1))
    _, late = await ask(api, quote_id=str(uuid7()))
    assert late["due_on"] == "2026-11-27"


async def test_a_longer_prefix_wins(api: Api, promises: Promises) -> None:
    near = GROUND["lanes"][0] | {"postcode_prefix": "40202", "transit_days": 1}
    await promises.hear(heard("CarrierServiceScheduled", GROUND | {"lanes": [*GROUND["lanes"], near]}, version=2))
    assert (await ask(api))[1]["due_on"] == "2026-11-23"
    assert (await ask(api, quote_id=str(uuid7()), destination={"country": "US", "postcode": "40299"}))[1]["due_on"] == "2026-11-26"


async def test_what_cannot_be_promised_says_what_can(api: Api, promises: Promises) -> None:
    before = await promises.counts()
    status, problem = await ask(api, chosen_on="2026-11-24")
    assert (status, problem["type"]) == (409, "urn:kept:problem:date-not-possible")
    assert [(each["service"], each["due_on"]) for each in problem["can_promise"]] == [("standard", "2026-11-26"), ("overnight", "2026-11-24")]
    assert "Thursday 26 November 2026 with standard delivery or Tuesday 24 November 2026 with overnight delivery" in problem["detail"]
    status, problem = await ask(api, destination={"country": "FR", "postcode": "75001"})
    assert (status, problem["type"]) == (409, "urn:kept:problem:no-lane")
    status, problem = await ask(api, chosen_on="2026-11-20")
    assert (status, problem["type"]) == (422, "urn:kept:problem:date-past")
    assert await promises.counts() == before
    assert (await ask(api))[0] == 201, "a refusal leaves the id free"


async def test_a_storefront_asks_for_its_own_channel(api: Api, tmp_path: Any) -> None:
    def bearer(channel: str | None) -> str:
        made = tokens.token(
            tmp_path / "keys", "storefront", issuer="https://issuer.kept.invalid", audience="kept", subject="shop", channel=channel)  # fmt: skip
        return f"Bearer {made}"

    async def status(channel: str | None) -> int:
        return (await api.call("POST", "/v1/quotes", role=None, content=question(), authorization=bearer(channel))).status_code

    assert [await status(channel) for channel in ("web", "other", None)] == [201, 403, 403]


@pytest.mark.parametrize("role", ["customer", "picker", "driver", "carrier"])
async def test_nobody_else_asks(api: Api, role: str) -> None:
    assert (await api.call("POST", "/v1/quotes", role=role, content=question())).status_code == 403


async def test_a_quote_is_never_changed(api: Api, promises: Promises) -> None:
    await ask(api)
    for change in ("update quotes set answer = ''", "delete from quotes", "truncate quotes"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await promises.rows(change)


MATCHES: dict[str, Any] = {
    "as quoted": {},
    "at the last moment": {"placed_at": VALID_UNTIL.isoformat()},
    "the same pieces on two lines": {"lines": [{"sku": "85123A", "quantity": 5}, {"sku": "85123A", "quantity": 1}]},
    "a shorter postcode": {"destination": {"country": "US", "postcode_prefix": "40", "zone": "America/New_York"}},
}
DIFFERS: dict[str, Any] = {
    "too late": {"placed_at": (VALID_UNTIL + timedelta(microseconds=1)).isoformat()},
    "an unknown quote": {"quote_id": "019ab2c0-1a2b-7c3d-8e4f-556677889999"},
    "no quote": {"quote_id": None},
    "another channel": {"channel": "phone"},
    "another site": {"site": "LAX1"},
    "another service": {"service": "overnight"},
    "a chosen day": {"chosen_on": "2026-11-27"},
    "another country": {"destination": {"country": "CA", "postcode_prefix": "402", "zone": "America/New_York"}},
    "another postcode": {"destination": {"country": "US", "postcode_prefix": "403", "zone": "America/New_York"}},
    "another quantity": {"lines": [{"sku": "85123A", "quantity": 7}]},
    "another item": {"lines": [{"sku": "85123B", "quantity": 6}]},
    "one more item": {"lines": [{"sku": "85123A", "quantity": 6}, {"sku": "71053", "quantity": 1}]},
}


@pytest.mark.parametrize("case", MATCHES, ids=str)
async def test_a_quote_that_fits_is_bound_and_honoured(api: Api, promises: Promises, case: str) -> None:
    _, quote = await ask(api)
    promises.at(HAND_OVER + timedelta(hours=5))
    await promises.hear(heard("OrderPlaced", **({"quote_id": QUESTION["quote_id"]} | MATCHES[case])))
    (_, made), = await promises.said()  # fmt: skip
    assert made["quote_id"] == QUESTION["quote_id"]
    assert (made["due_at"], made["terms"], made["customer_text"]) == (quote["due_at"], quote["terms"], quote["customer_text"])
    assert made["made_at"] == "2026-11-23T04:00:00Z"


@pytest.mark.parametrize("case", DIFFERS, ids=str)
async def test_a_quote_that_does_not_fit_is_left_and_a_date_is_computed_as_of_now(api: Api, promises: Promises, case: str) -> None:
    await ask(api)
    promises.at(HAND_OVER + timedelta(hours=5))
    await promises.hear(heard("OrderPlaced", **({"quote_id": QUESTION["quote_id"]} | DIFFERS[case])))
    (name, said), = await promises.said()  # fmt: skip
    if name == "PromiseMade":
        assert said["quote_id"] is None
        assert datetime.fromisoformat(said["hand_over_by"]) > HAND_OVER + timedelta(hours=5)
    else:
        assert (said["reason"], case) in [("no-lane", "another country"), ("no-lane", "another postcode"), ("no-lane", "another site")]


async def test_a_promise_is_read_by_its_customer_and_by_staff(api: Api, promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced"))
    (_, made), = await promises.said()  # fmt: skip
    path, order_path = f"/v1/promises/{made['promise_id']}", f"/v1/orders/{made['order_id']}/promises"
    own = (await api.call("GET", path, role="customer", subject=made["customer_id"])).json()
    assert own == {
        "promise_id": made["promise_id"], "seq": 1, "order_id": made["order_id"], "customer_id": made["customer_id"], "state": "open",
        "customer_text": made["customer_text"], "language": "en", "due_on": "2026-11-26", "due_at": "2026-11-27T04:59:59Z",
        "zone": "America/New_York", "replaces": None, "made_at": "2026-11-22T04:58:00Z", "settled_at": None, "kind": "delivery_date",
    }  # fmt: skip
    staff = (await api.call("GET", path, role="care")).json()
    assert (staff["carrier_service"], staff["terms"], staff["customer_text"]) == ("ground-standard", made["terms"], made["customer_text"])
    listed = (await api.call("GET", order_path, role="customer", subject=made["customer_id"])).json()
    assert (listed["declined"], listed["promises"]) == (None, [own])
    for address in (path, order_path):
        assert (await api.call("GET", address, role="customer", subject=str(uuid7()))).status_code == 404
        assert (await api.call("GET", address, role="storefront")).status_code == 403
        assert (await api.call("GET", address, role=None)).status_code == 401
    await promises.hear(heard("ParcelDelivered", DELIVERED))
    kept = (await api.call("GET", path, role="customer", subject=made["customer_id"])).json()
    assert (kept["state"], kept["seq"], kept["settled_at"]) == ("kept", 2, "2026-11-23T12:58:00Z")


async def test_an_order_that_got_no_promise_says_why(api: Api, promises: Promises) -> None:
    await promises.hear(heard("OrderPlaced", destination={"country": "FR", "postcode_prefix": "75", "zone": "Europe/Paris"}))
    (_, said), = await promises.said()  # fmt: skip
    listed = (await api.call("GET", f"/v1/orders/{said['order_id']}/promises", role="customer", subject=said["customer_id"])).json()
    assert listed == {"order_id": said["order_id"], "customer_id": said["customer_id"], "declined": "no-lane", "promises": []}


@pytest.mark.parametrize("path", ["/v1/promises/{}", "/v1/orders/{}/promises"])
@pytest.mark.parametrize("id", [str(UUID(int=1)), "x", "%00", "1" * 300, "..%2f", "null", "%ed%a0%80"])
async def test_what_is_not_there_is_not_found(api: Api, path: str, id: str) -> None:
    answered = await api.call("GET", path.format(id), role="care")
    assert answered.status_code in (400, 404), answered.text
    assert answered.headers["content-type"] == "application/problem+json"
