"""The ledger's pages: who holds the same as the ledger, and what is promised and not yet paid."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from services.kit.clock import FixedClock
from services.kit.database import Database, service_url
from services.kit.promise.keeper import Keeper
from services.promises.ledger.board import VIEWS
from services.promises.settings import Settings
from tests.integration.promises.ledger.speaking import Speaking, speaking
from tests.integration.promises.ledger.test_views import View
from tests.support.parts import texts

HTML = {"accept": "text/html"}


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("promises", "loyalty")


@pytest.fixture
async def view(database_url: str, tmp_path: Path, clock: FixedClock) -> AsyncIterator[View]:
    async with speaking(database_url, tmp_path, clock) as ledger:
        database = await Database.connect(service_url(database_url, "loyalty"), "loyalty", clock)
        yield View(ledger, database, Keeper("loyalty", database, Settings(var=tmp_path), httpx.ASGITransport(ledger.app)))
        await database.close()


@pytest.fixture
async def ledger(view: View) -> Speaking:  # type: ignore[override]  # over HTTP here
    return view.ledger


async def agreement(view: View) -> str:
    """The page as anybody sees it."""
    answered = await view.ledger.asks.client.get("/agreement", headers=HTML)
    assert (answered.status_code, answered.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answered.headers["cache-control"] == "no-store"
    return answered.text


async def liability(ledger: Speaking, role: str = "planner") -> httpx.Response:
    return await ledger.asks.client.get("/liability", headers=HTML | {"authorization": f"Bearer {ledger.asks.token(role, 's-1')}"})


def text_of(page: str, part: str) -> str:
    """What is read in the part of that name."""
    return " ".join(texts(page, "data-live")[part])


def state_of(page: str, part: str) -> str:
    found = re.search(rf'data-live="{part}" data-state="(\w+)"', page)
    assert found, part
    return found[1]


async def all_views_tell(view: View) -> None:
    """Loyalty's keeper goes round; the three others hold what the ledger holds."""
    await view.keeper.round()
    loyalty = (await view.board())["loyalty"]
    for name in set(VIEWS) - {"loyalty"}:
        told = {"view": name, "position": loyalty["position"], "count": loyalty["count"], "root": "0" * 64, "witnessed": loyalty["witnessed"]}
        held = (await view.ledger.post("/v1/agreement/reports", told)).json()
        assert (await view.ledger.post("/v1/agreement/reports", told | {"root": held["root"]})).json()["agrees"]


async def hear_all(view: View, entries: int) -> None:
    await view.hear(*(await view.ledger.told(entries)))


async def test_before_anything_is_promised_it_says_so_and_shows_every_department(view: View) -> None:
    page = await agreement(view)
    assert text_of(page, "verdict").startswith("Nothing is promised yet.")
    for name in VIEWS:
        assert "no report" in text_of(page, name)
    assert state_of(page, "verdict") == "part"
    assert "None was ever found." in page


async def test_a_view_that_never_reported_is_stale_and_named(view: View) -> None:
    await view.ledger.promise()
    await hear_all(view, 1)
    await view.keeper.round()
    page = await agreement(view)
    assert "Fulfilment never reported, Notifications never reported and Orders never reported." in text_of(page, "verdict")
    assert [state_of(page, name) for name in ("loyalty", "orders")] == ["kept", "stale"]
    assert text_of(page, "as-of").startswith("As of #1, verified in 1 of 4 departments")


async def test_who_holds_the_same_is_said_in_one_sentence_and_proven_below(view: View) -> None:
    for _ in range(3):
        await view.ledger.promise()
    await hear_all(view, 3)
    await view.keeper.round()
    await all_views_tell(view)
    page = await agreement(view)
    assert text_of(page, "verdict").startswith("All four departments hold the same 3 promises.")
    assert "No difference was ever found." in page
    assert re.fullmatch(r"As of #3, verified , \d+ s ago", text_of(page, "as-of"))
    row = text_of(page, "loyalty")
    assert re.search(r"Loyalty upgrades none 3 3 0 0 \w{4} \w{4} equal at #3, \d+ s ago has seen #3 signed", row), row
    assert "4 of 4 have seen this length signed" in text_of(page, "log")
    assert (await view.ledger.get("/v1/checkpoint")).json()["root"] in page


async def test_a_department_that_differs_is_an_alert_and_its_promises_are_named_at_once(view: View) -> None:
    ids = [(await view.ledger.promise())["promise_id"] for _ in range(2)]
    await hear_all(view, 2)
    await all_views_tell(view)
    await view.do(f"update promise_view set words = words || '.' where promise_id = '{ids[1]}'")
    await all_views_tell(view)
    page = await agreement(view)
    assert text_of(page, "verdict").startswith("Loyalty does not hold what the ledger holds.")
    assert 'data-live="verdict" data-state="broken" role="alert"' in page
    assert state_of(page, "loyalty") == "broken"
    assert f"promise {ids[1]} , put anew" in text_of(page, "differs")
    assert ids[0] not in page
    await all_views_tell(view)
    page = await agreement(view)
    assert text_of(page, "verdict").startswith("All four departments hold the same 2 promises.")
    assert 'data-live="differs" hidden' in page
    assert f"Loyalty, promise {ids[1]} at entry #2" in text_of(page, "history")
    assert 'role="alert"' not in page


async def test_work_that_is_not_what_was_promised_is_named_for_a_person(view: View) -> None:
    promise_id = (await view.ledger.promise())["promise_id"]
    await hear_all(view, 1)
    await all_views_tell(view)
    told = {"view": "orders", "position": 1, "count": 1, "root": "0" * 64}
    held = (await view.ledger.post("/v1/agreement/reports", told)).json()
    await view.ledger.post("/v1/agreement/reports", told | {"root": held["root"], "altered": [promise_id]})
    page = await agreement(view)
    assert f"promise {promise_id} , its work is not what was promised" in text_of(page, "differs")
    assert "a person has to look" in text_of(page, "verdict")


async def test_a_department_that_differs_and_names_nothing_is_said_to_be_looked_into(view: View) -> None:
    await view.ledger.promise()
    await hear_all(view, 1)
    await all_views_tell(view)
    await view.ledger.post("/v1/agreement/reports", {"view": "orders", "position": 1, "count": 1, "root": "0" * 64})
    page = await agreement(view)
    assert text_of(page, "verdict").startswith("Orders does not hold what the ledger holds.")
    assert "being looked for" in text_of(page, "orders")


async def test_who_is_behind_is_old_only_after_a_while(view: View, clock: FixedClock) -> None:
    await view.ledger.promise()
    await hear_all(view, 1)
    await all_views_tell(view)
    await view.ledger.promise()
    clock.advance(timedelta(seconds=31))
    page = await agreement(view)
    assert "1 entry, 30 s" in text_of(page, "orders")
    assert state_of(page, "orders") == "kept"
    assert text_of(page, "as-of").startswith("As of #1, verified")
    clock.advance(timedelta(seconds=82))
    page = await agreement(view)
    assert state_of(page, "orders") == "stale"
    assert "Orders is 1 min 52 s behind." in text_of(page, "verdict")


async def test_who_told_nothing_for_a_while_is_stale(view: View) -> None:
    await view.ledger.promise()
    await hear_all(view, 1)
    await all_views_tell(view)
    await view.ledger.database.pool.execute("update ledger_views set reported_at = reported_at - interval '14 minutes' where view = 'orders'")
    page = await agreement(view)
    assert text_of(page, "verdict").startswith("Orders has not reported for 14 min.")
    assert "no report for 14 min" in text_of(page, "orders")


async def test_it_shows_no_word_amount_or_customer(view: View) -> None:
    receipt = await view.ledger.promise(kind="refund", amount_minor=4321)
    standing = await view.ledger.standing(receipt["promise_id"])
    await hear_all(view, 1)
    await view.do("update promise_view set words = 'altered'")
    await view.keeper.round()
    page = await agreement(view)
    assert receipt["promise_id"] in page
    for secret in ("43.21", "4321", standing["customer_text"], standing["customer_id"], standing["order_id"], "altered"):
        assert secret not in page


async def test_nothing_is_owed_before_anything_is_promised(ledger: Speaking) -> None:
    page = (await liability(ledger)).text
    assert text_of(page, "verdict").startswith("Nothing is owed.")
    assert "No refund and no credit is open." in page
    assert 'data-live="next" hidden' in page


async def test_what_is_owed_stands_by_currency_kind_cause_and_age_with_totals(ledger: Speaking, clock: FixedClock) -> None:
    broken = (await ledger.promise(due={"said": "2026-11-25T10:00", "zone": "UTC"}, order_minor=100_00))["promise_id"]
    clock.advance(timedelta(days=2))
    await ledger.until(3)
    await ledger.promise(kind="refund", amount_minor=12_50, due={"said": "2026-11-28T18:00", "zone": "UTC"})
    await ledger.promise(kind="credit", amount_minor=3_00, currency="USD", due={"said": "2026-12-24", "zone": "UTC"})
    clock.advance(timedelta(hours=2))
    page = (await liability(ledger)).text
    owed = (await ledger.get("/v1/liability", "planner")).json()["owing"]
    assert {(each["currency"], each["kind"], each["compensation"], each["amount_minor"]) for each in owed} == {
        ("EUR", "refund", True, 500), ("EUR", "refund", False, 1250), ("USD", "credit", False, 300),
    }  # fmt: skip
    assert text_of(page, "verdict").startswith("We owe €17.50 and $3.00. 3 refunds and credits are promised and not yet paid.")
    tables = text_of(page, "tables")
    assert "Refund makes good for a broken promise €5.00 €0.00 €0.00 1 €5.00" in tables
    assert "Refund agreed with the customer €12.50 €0.00 €0.00 1 €12.50 Total €17.50 €0.00 €0.00 2 €17.50" in tables
    assert "Credit agreed with the customer $3.00 $0.00 $0.00 1 $3.00 Total $3.00" in tables
    due = text_of(page, "next")
    assert due.index("€12.50") < due.index("€5.00") < due.index("$3.00")
    assert f"makes good for {broken}" in due
    assert "As of #5" in text_of(page, "as-of")


async def test_who_may_not_see_what_is_owed_meets_a_page_that_says_so(ledger: Speaking) -> None:
    refused = await liability(ledger, "care")
    assert (refused.status_code, refused.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "ask someone whose role may" in refused.text
    unknown = await ledger.asks.client.get("/liability", headers=HTML)
    assert (unknown.status_code, unknown.headers["www-authenticate"]) == (401, "Bearer")


async def test_the_pages_take_nothing_from_outside(ledger: Speaking) -> None:
    await ledger.promise(kind="refund", amount_minor=100)
    for page in ((await liability(ledger)).text, (await ledger.asks.client.get("/agreement", headers=HTML)).text):
        addresses = re.findall(r'<(?:link|img|script|iframe)[^>]*(?:href|src)="([^"]*)"', page)
        assert len(addresses) >= 5
        for address in addresses:
            assert address.startswith(("/static/", "/ledger-static/", "data:"))
            if address.startswith("/"):
                assert (await ledger.asks.client.get(address)).status_code == 200
        assert "<style" not in page and "style=" not in page


@pytest.mark.parametrize("path", ["/agreement", "/liability"])
async def test_what_is_no_plain_question_for_a_page_is_refused(ledger: Speaking, path: str) -> None:
    token = {"authorization": f"Bearer {ledger.asks.token('admin', 's-1')}"}

    async def status(address: str = path, method: str = "GET", **headers: str) -> int:
        return (await ledger.asks.client.request(method, f"http://access{address}", headers=HTML | token | headers)).status_code

    assert await status() == 200
    assert {await status(method=method) for method in ("POST", "PUT", "PATCH", "DELETE")} == {405}
    assert {await status(accept=accept) for accept in ("application/json", "image/png", "text/html;q=0")} == {406}
    assert await status(f"{path}?x={'x' * 5_000}") == 414
    assert await status(more="x" * 20_000) == 431
    assert await status(f"{path}?a=1&a=1") == 400
    tricks = ("/{}", "{};a=b", "{}/%2e%2e", "/%2e{}", "{}%00", "{}%0d%0ax", "{}\\x", "{}%5cx", "{}%2f", "{}/", "{}/x")
    assert {await status(trick.format(path)) for trick in tricks} <= {400, 404}
    assert await ledger.count() == 0
