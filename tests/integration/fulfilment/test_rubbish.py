"""Every route of stock and floor against rubbish: a problem with the right status, and nothing changed. No 500."""

import json
from typing import Any

import pytest

from services.kit.tokens import ROLES
from tests.integration.fulfilment.conftest import Fulfilment
from tests.unit.fulfilment.build import uuid

ID, OTHER = str(uuid(1)), str(uuid(2))
SCAN = {"scan_id": ID, "fence": 1, "code": "CUP", "quantity": 1}
GOOD: dict[str, tuple[str, dict[str, Any]]] = {
    "/v1/stock/receipts": ("planner", {"receipt_id": ID, "site": "SDF1", "lines": [{"sku": "CUP", "bin": "A-1", "quantity": 1}]}),
    "/v1/stock/counts": ("planner", {"count_id": ID, "site": "SDF1", "sku": "CUP", "bin": "A-1", "counted": 1}),
    "/v1/pick-tasks:claim-next": ("picker", {"claim_id": ID, "site": "SDF1"}),
    "/v1/pick-tasks/{task}/claim": ("picker", {"claim_id": ID}),
    "/v1/pick-tasks/{task}/heartbeat": ("picker", {"fence": 1}),
    "/v1/pick-tasks/{task}/put-back": ("picker", {"fence": 1}),
    "/v1/pick-tasks/{task}/take-back": ("planner", {"fence": 1}),
    "/v1/pick-tasks/{task}/scans": ("picker", SCAN),
    "/v1/pick-tasks/{task}/scans:batch": ("picker", {"fence": 1, "scans": [{"scan_id": ID, "code": "CUP", "quantity": 1}]}),
    "/v1/pick-tasks/{task}/scans/{id}/undo": ("picker", {"fence": 1}),
    "/v1/pick-tasks/{task}/short": ("picker", {"report_id": ID, "fence": 1, "line": 1, "found": 0, "reason": "not-found"}),
    "/v1/pick-tasks/{task}/pack": ("picker", {"parcel_id": ID, "fence": 1, "carton": "S1", "weight_grams": 300}),
    "/v1/pick-tasks/{task}/unpack": ("picker", {"parcel_id": ID}),
    "/v1/pull-backs/{id}/done": ("picker", {"scan_id": ID, "code": "CUP", "bin": "A-1"}),
}
READS: dict[str, set[str]] = {
    "/v1/stock/CUP": {"planner", "admin", "care", "picker", "service"},
    "/v1/pick-tasks": {"picker", "planner", "admin", "service"},
    "/v1/pick-tasks/{task}": {"planner", "admin", "service"},
    "/v1/pull-backs": {"picker", "planner", "admin"},
    "/v1/pick-tasks/{task}/scans": {"planner", "admin"},
}

WRONG: dict[str, list[Any]] = {
    "id": [None, 7, "7", "", [], True, "\0", "019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a0g"],
    "site": [None, 7, "", "S" * 17, "S D", "SÜD", "S\0", "'; drop table bins; --", "\ud800", ["SDF1"]],
    "bin": [7, "", "B" * 33, "B\0", "<b>", "\u202e"],
    "text": [7, "", "x" * 65, "x\0", "\ud800", "\u202ex", ["x"], {}],
    "number": [None, -1, 1.5, "7", True, 10**30, float("nan"), []],
    "choice": [None, "", "huge", 7, "S1\0"],
    "lines": [None, [], {}, "x", [7], [{}], [{"sku": "CUP"}], *([{"sku": "CUP", "bin": "A", "quantity": wrong}] for wrong in (0, 10**9))],
    "scans": [None, [], {}, "x", [7], [{}], [SCAN], [{"scan_id": ID, "code": "CUP", "quantity": 0}]],
    "instant": [7, "", "now", "2026-11-22T04:58:00", "2026-02-31T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"],
}  # fmt: skip
KINDS = {
    "sku": "text", "code": "text", "device": "text", "bin": "bin", "site": "site", "lines": "lines", "scans": "scans", "occurred_at": "instant",
    "carton": "choice", "reason": "choice", "quantity": "number", "fence": "number", "counted": "number", "line": "number", "found": "number",
    "weight_grams": "number", "weight_confirmed": "choice",
}  # fmt: skip
OPTIONAL = {"/v1/pick-tasks/{task}/scans": ("bin", "device", "occurred_at"), "/v1/pick-tasks/{task}/pack": ("weight_confirmed",)}


def bodies(path: str) -> list[bytes]:
    """The good body with one thing wrong at a time."""
    _, good = GOOD[path]
    names = (*good, *OPTIONAL.get(path, ()))
    wrong = [good | {name: value} for name in names for value in WRONG[KINDS.get(name, "id")] if not (value is None and name not in good)]
    missing = [{key: value for key, value in good.items() if key != name} for name in good]
    whole: list[Any] = [None, [], "x", 7, {}, good | {"state": "packed"}, good | {"claimed_by": "ann"}]
    raw = [b"", b"{", b"\xff", json.dumps(good).encode()[:-1] + b',"fence":1,"fence":1}', b'{"a":' * 50_000, b'{"fence":' + b"9" * 5_000 + b"}"]
    return [json.dumps(body).encode() for body in (*wrong, *missing, *whole)] + raw


async def snapshot(shop: Fulfilment) -> list[Any]:
    tables = ("bins", "stock_movements", "stock_papers", "pick_tasks", "pick_lines", "claims", "scans", "short_reports", "outbox", "parcels", "wants")
    return [await shop.rows(f"select t::text from {table} t order by 1") for table in tables]


async def prepared(shop: Fulfilment) -> str:
    await shop.stock(("CUP", "A-1", 5))
    await shop.order(1)
    return str(await shop.value("select task_id from pick_tasks"))


@pytest.mark.parametrize("path", GOOD)
async def test_rubbish_is_refused_and_changes_nothing(shop: Fulfilment, path: str) -> None:
    task = await prepared(shop)
    if "claim" not in path and "stock" not in path:
        assert (await shop.post(f"/v1/pick-tasks/{task}/claim", {"claim_id": OTHER})).json()["fence"] == 1
    before, role = await snapshot(shop), GOOD[path][0]
    for content in bodies(path):
        answer = await shop.api.call("POST", path.format(task=task, id=ID), role=role, subject="ann", content=content)
        assert answer.status_code in (400, 422), (answer.status_code, answer.text, content[:200])
        assert answer.headers["content-type"] == "application/problem+json"
        assert {"type", "title", "status", "instance"} <= answer.json().keys()
    assert await snapshot(shop) == before


@pytest.mark.parametrize("path", GOOD)
async def test_only_the_right_role_in_the_right_way_comes_in(shop: Fulfilment, path: str) -> None:
    address, (role, good) = path.format(task=OTHER, id=ID), GOOD[path]
    content = json.dumps(good).encode()
    allowed = {"planner", "admin"} if role == "planner" else {role}
    for other in set(ROLES) - allowed:
        assert (await shop.api.call("POST", address, role=other, content=content)).status_code == 403, other
    assert (await shop.api.call("POST", address, role=None, content=content)).status_code == 401
    assert (await shop.api.call("POST", address, role=role, content=content, content_type="text/plain")).status_code == 415
    assert (await shop.api.call("POST", address, role=role, content=b"[" + b"1," * 200_000 + b"1]")).status_code == 413
    assert (await shop.api.call("PATCH", address, role=role, content=content)).status_code == 405


@pytest.mark.parametrize("path", READS)
async def test_reads_are_for_their_roles(shop: Fulfilment, path: str) -> None:
    task = await prepared(shop)
    answers = {role: (await shop.get(path.format(task=task), role=role)).status_code for role in ROLES}
    own = {"picker"} if path == "/v1/pick-tasks/{task}" else set()
    assert answers == {role: 200 if role in READS[path] else 404 if role in own else 403 for role in ROLES}


@pytest.mark.parametrize("path", [path for path in GOOD if "{task}" in path])
@pytest.mark.parametrize("task", [OTHER, "7", "x" * 300, "%00", "..%2f"])
async def test_a_task_that_is_not_there_is_not_found(shop: Fulfilment, path: str, task: str) -> None:
    role, body = GOOD[path]
    answer = await shop.post(path.format(task=task, id=ID), body, role=role)
    assert answer.status_code in ((404,) if "%" not in task else (400, 404)), answer.text


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1000000", "limit=x", "state=lost", "after=7", "site=", "site=S%00", "limit=1&limit=2"]
)  # fmt: skip
async def test_a_query_that_does_not_fit_is_refused(shop: Fulfilment, query: str) -> None:
    assert (await shop.get(f"/v1/pick-tasks?{query}")).status_code in (400, 422)


@pytest.mark.parametrize("sku", ["NONE", "x" * 300, "%F0%9F%99%82", "' or 1=1"])
async def test_an_unknown_sku_is_not_found_and_not_received(shop: Fulfilment, sku: str) -> None:
    assert (await shop.get(f"/v1/stock/{sku}")).status_code == 404
    if len(sku) <= 64:
        body = {"receipt_id": ID, "site": "SDF1", "lines": [{"sku": sku, "bin": "A-1", "quantity": 1}]}
        assert (await shop.post("/v1/stock/receipts", body, role="planner")).json()["type"] == "urn:kept:problem:unknown-sku"
        assert await shop.rows("select 1 from stock_papers") == await shop.rows("select 1 from shelves") == []


async def test_a_receipt_counts_once_and_its_id_stands_for_nothing_else(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    body = GOOD["/v1/stock/receipts"][1]
    for _ in range(3):
        assert (await shop.post("/v1/stock/receipts", body, role="planner")).status_code == 201
    assert (await shop.books("CUP"))["on_hand"] == 6
    other = body | {"lines": [{"sku": "CUP", "bin": "A-1", "quantity": 2}]}
    assert (await shop.post("/v1/stock/receipts", other, role="planner")).status_code == 422
    assert (await shop.books("CUP"))["on_hand"] == 6


async def test_a_bin_cannot_hold_more_than_anybody_could_count(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    lines = [{"sku": "CUP", "bin": "A-1", "quantity": 100_000}] * 101
    refused = await shop.post("/v1/stock/receipts", {"receipt_id": ID, "site": "SDF1", "lines": lines}, role="planner")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kept:problem:bin-full")
    assert (await shop.books("CUP"))["on_hand"] == 5


async def test_a_count_below_what_is_set_apart_is_refused(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 5))
    await shop.order(1, ("CUP", 3))
    count = {"count_id": ID, "site": "SDF1", "sku": "CUP", "bin": "A-1", "counted": 2}
    refused = await shop.post("/v1/stock/counts", count, role="planner")
    assert (refused.status_code, refused.json()["reserved"]) == (409, 3)


async def test_ids_of_other_things_are_refused(shop: Fulfilment) -> None:
    await shop.stock(("CUP", "A-1", 9))
    for number, picker in ((1, "ann"), (2, "bob")):
        await shop.order(number)
        task = (await shop.claim(picker)).json()
        answer = await shop.scan(task, "CUP", picker=picker, scan_id=ID)
        assert answer.status_code == (200 if picker == "ann" else 422)
        if picker == "bob":
            await shop.scan(task, "CUP", picker=picker)
        told = {"parcel_id": ID, "fence": task["fence"], "carton": "S1", "weight_grams": 260}
        packed = await shop.post(f"/v1/pick-tasks/{task['task_id']}/pack", told, subject=picker)
        assert packed.status_code == (200 if picker == "ann" else 422), packed.text


async def test_pickers_of_another_site_find_nothing(shop: Fulfilment) -> None:
    await prepared(shop)
    assert (await shop.claim(site="LCY2")).status_code == 204
