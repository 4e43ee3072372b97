"""What no cell of the matrix can say: ids inside ids, ids in bodies, lists that are narrowed, staff of one site, methods that nobody offers."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from services.kit.http.routing import Guarded
from services.kit.ids import uuid7
from tests.access.asking import CHANNEL, SITE, Ask, Asking, words
from tests.access.fulfilment import Warehouse, warehouse
from tests.access.orders import opened
from tests.support.apps import APPLICATIONS
from tests.support.databases import Templates

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}


@pytest.fixture
async def house(templates: Templates, tmp_path: Path) -> AsyncIterator[Warehouse]:
    with templates.clone(("fulfilment",)) as url:
        async with warehouse(url, tmp_path) as made:
            yield made


async def _alike(asking: Asking, operation: str, one: Ask, other: Ask, role: str, who: str, status: int) -> None:
    """Both are answered with this status, and in the same words."""
    answers = [await asking.send(operation, ask, role, who) for ask in (one, other)]
    assert [each.status_code for each in answers] == [status, status], [each.text for each in answers]
    assert words(answers[0]) == words(answers[1])


async def test_a_hold_of_another_order_is_not_found_under_this_one(templates: Templates, tmp_path: Path) -> None:
    with templates.clone(("orders",)) as url:
        async with opened(url, tmp_path) as (asking, examples, _):
            operation = "DELETE /v1/orders/{order_id}/holds/{hold_id}"
            mine, theirs = [await examples[operation](whose, "") for whose in ("mine", "theirs")]
            crossed = Ask(f"{mine.path.rpartition('/')[0]}/{theirs.path.rpartition('/')[2]}")
            missing = Ask(f"{mine.path.rpartition('/')[0]}/{uuid7()}")
            await _alike(asking, operation, crossed, missing, "care", "s", 404)
            assert (await asking.send(operation, theirs, "care", "s")).status_code == 200, "it still stands"


async def test_an_order_of_another_channel_is_neither_shown_nor_taken_over_by_its_id(templates: Templates, tmp_path: Path) -> None:
    with templates.clone(("orders",)) as url:
        async with opened(url, tmp_path) as (asking, examples, _):
            theirs = await examples["GET /v1/orders/{order_id}"]("theirs", "")
            before = (await asking.send("GET", theirs, "care", "s")).json()
            mine = await examples["POST /v1/orders"]("mine", "")
            assert isinstance(mine.body, dict)
            taken = Ask(mine.path, mine.body | {"order_id": before["order_id"]}, mine.headers)
            answered = await asking.send("POST", taken, "storefront", "s")
            assert answered.status_code in (409, 422)
            assert not [text for text in (before["order_ref"], before["external_ref"], CHANNEL["theirs"]) if text in answered.text]
            assert (await asking.send("GET", theirs, "care", "s")).json() == before


async def test_a_storefront_without_a_channel_and_a_customer_without_an_order_reach_nothing(templates: Templates, tmp_path: Path) -> None:
    with templates.clone(("orders",)) as url:
        async with opened(url, tmp_path) as (asking, examples, _):
            one, listed = await examples["GET /v1/orders/{order_id}"]("mine", ""), await examples["GET /v1/orders"]("mine", "")
            bearer = {"authorization": f"Bearer {asking.token('storefront', 's', channel=None)}"}
            assert (await asking.client.get(one.path, headers=bearer)).status_code == 404
            assert (await asking.client.get(listed.path, headers=bearer)).json() == {"orders": []}
            assert (await asking.send("GET", one, "customer", str(uuid7()))).status_code == 404
            assert (await asking.send("GET", listed, "customer", str(uuid7()))).json() == {"orders": []}


async def test_a_scan_of_another_task_is_not_found_under_this_one(house: Warehouse) -> None:
    mine, theirs = await house.picked("mine", "ann"), await house.picked("theirs", "bob")
    crossed, missing = (Ask(f"{mine['path']}/scans/{id}/undo", {"fence": mine["fence"]}) for id in (theirs["scan_id"], uuid7()))
    await _alike(house.asking, "POST", crossed, missing, "picker", "ann", 404)


async def test_a_parcel_of_another_site_is_not_found_at_this_trailer_nor_ours_at_theirs(house: Warehouse) -> None:
    ours, theirs = await house.trailer("mine"), await house.trailer("theirs")
    here, there = (await house.labelled("mine"))["parcel"], await house.labelled("theirs")

    def load(trailer: object, **parcel: object) -> Ask:
        return Ask(f"/v1/load-lists/{trailer}/loads", {"scan_id": uuid7(), **parcel})

    await _alike(house.asking, "POST", load(ours, parcel_id=there["parcel"]), load(ours, parcel_id=uuid7()), "loader", "lou", 404)
    await _alike(house.asking, "POST", load(ours, barcode=there["barcode"]), load(ours, barcode="BAR-NONE"), "loader", "lou", 404)
    await _alike(house.asking, "POST", load(theirs, parcel_id=here), load(uuid7(), parcel_id=here), "loader", "lou", 404)


async def test_what_a_picker_holds_is_shown_to_no_other_and_a_step_in_it_names_the_holder_at_the_same_site_only(house: Warehouse) -> None:
    held = await house.claimed("mine", "ann")
    await _alike(house.asking, "GET", Ask(held["path"]), Ask(f"/v1/pick-tasks/{uuid7()}"), "picker", "bob", 404)
    assert held["task_id"] not in (await house.asking.send("GET", Ask("/v1/pick-tasks?state=claimed"), "picker", "bob")).text
    step = Ask(f"{held['path']}/heartbeat", {"fence": held["fence"]})
    beside, elsewhere = [await house.asking.send("POST", step, "picker", "bob", site=SITE[whose]) for whose in ("mine", "theirs")]
    assert (beside.status_code, beside.json()["claimed_by"]) == (409, "ann")
    assert elsewhere.status_code == 404
    assert "ann" not in elsewhere.text


async def test_another_site_in_a_filter_shows_nothing_of_it(house: Warehouse) -> None:
    theirs = await house.claimed("theirs", "bob")
    for role, who in (("picker", "bob"), ("planner", "pat"), ("admin", "al")):
        listed = await house.asking.send("GET", Ask(f"/v1/pick-tasks?site={SITE['theirs']}&limit=100"), role, who)
        assert listed.status_code == 200
        assert theirs["task_id"] not in listed.text
    shelves = await house.asking.send("GET", Ask(f"/v1/stock/{theirs['sku']}?site={SITE['theirs']}"), "picker", "ann")
    assert (shelves.json()["sites"], shelves.json()["movements"]) == ([], [])


async def test_a_planner_of_one_site_does_nothing_at_another(house: Warehouse) -> None:
    task, sku = await house.claimed("theirs", "bob"), await house.sku("mine")
    missing = f"/v1/pick-tasks/{uuid7()}"
    await _alike(house.asking, "GET", Ask(f"{task['path']}/scans"), Ask(f"{missing}/scans"), "planner", "pat", 404)
    body = {"fence": task["fence"]}
    await _alike(house.asking, "POST", Ask(f"{task['path']}/take-back", body), Ask(f"{missing}/take-back", body), "planner", "pat", 404)
    lines = [{"sku": sku, "bin": "A-1", "quantity": 1}]
    receipt = Ask("/v1/stock/receipts", {"receipt_id": uuid7(), "site": SITE["theirs"], "lines": lines})
    count = Ask("/v1/stock/counts", {"count_id": uuid7(), "site": SITE["theirs"], "sku": sku, "bin": "A-1", "counted": 0})
    assert [(await house.asking.send("POST", each, "planner", "pat")).status_code for each in (receipt, count)] == [403, 403]


@pytest.mark.parametrize("service", APPLICATIONS)
async def test_a_method_that_nobody_offers_is_refused_and_says_which_are(service: str, tmp_path: Path) -> None:
    app = APPLICATIONS[service](tmp_path)
    routes = [each for each in iter_route_contexts(app.routes) if isinstance(each.original_route, Guarded)]
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://access") as client:
        for address in {str(each.path).replace("{", "").replace("}", "") for each in routes}:
            offered = {method for each in routes if each.original_route.path_regex.match(address) for method in each.original_route.methods}
            for method in _METHODS - offered:
                answered = await client.request(method, address)
                assert answered.status_code == 405, (method, address)
                assert set(answered.headers["allow"].split(", ")) == offered, (method, address)
