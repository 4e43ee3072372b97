"""The picker's page, by its forms alone: what is asked, what a press does, what is said when it cannot be done."""

from typing import Any

import pytest

from services.kit.ids import uuid7
from tests.integration.fulfilment_pages.conftest import Person
from tests.integration.promises.ledger.goods.shop import CABLE, TELEVISION, WORDS, Shop
from tests.unit.fulfilment.build import placed, released

ODD = 'Bring "it" by 5 <b>sharp</b> & ring twice, it\'s for Zoë — promised.  Two spaces stay.'
CLAIM, START, COUNT = "Claim the next order", "I have read it: start", "Count it"


async def _task(shop: Shop) -> tuple[Any, ...]:
    """State, who has it, and how many units are picked."""
    (row,) = await shop.rows("select state, claimed_by, sum(picked)::int from pick_tasks left join pick_lines using (task_id) group by task_id")
    return row


async def _count(shop: Shop, table: str) -> int:
    ((count,),) = await shop.rows(f"select count(*)::int from {table}")
    return int(count)


async def _two_televisions(shop: Shop) -> None:
    """An order of two of the same."""
    await shop.hear(placed(7, (TELEVISION, 2)))
    await shop.hear(released(7))


async def test_an_order_is_claimed_picked_packed_and_labelled(shop: Shop, person: Person) -> None:
    await shop.order()
    page = await person("picker").open("/floor")
    assert page.band == "READY Claim the next order"
    await page.press(CLAIM)
    assert ("T-1" in page.said, "A lm-43" in page.said, "Scan one of these here" in page.said) == (True, True, True)
    await page.press(COUNT, code=TELEVISION)
    assert page.band == "COUNTED Now the next thing"
    assert "Put all of it into one carton" in page.said
    await page.press("Close the carton", carton="L2", weight_grams="560")
    assert "Label the parcel" in page.said
    await page.press("Get the label")
    ((barcode,),) = await shop.rows("select barcode from labels where state = 'bought'")
    assert (page.band, barcode in page.said) == ("LABELLED Put it on the belt", True)
    assert (await _task(shop))[0] == "packed"


async def test_nothing_to_do_is_said_and_asked_again(shop: Shop, person: Person) -> None:
    page = await person("picker").open("/floor")
    await page.press(CLAIM)
    assert (page.status, "No order waits." in page.said) == (200, True)
    await shop.order()
    await page.press("Ask again")
    assert "Scan one of these here" in page.said


async def test_what_was_promised_is_read_letter_for_letter_before_the_first_scan(shop: Shop, person: Person) -> None:
    order_id = await shop.order()
    await shop.gift(order_id, customer_text=ODD)
    await shop.tell()
    page = await person("picker").open("/floor")
    await page.press(CLAIM)
    assert (page.words, "Read what was promised" in page.said, COUNT in page.text) == ([ODD], True, False)
    await page.open("/floor?at=walk")
    assert page.words == [ODD]
    await page.press(COUNT, code=TELEVISION)
    assert (page.words, "a hdmi-2m" in page.said.lower()) == ([ODD], True)
    await page.press(COUNT, code=CABLE)
    assert (page.words, "Put all of it into one carton" in page.said) == ([ODD], True)


async def test_a_press_that_is_repeated_counts_once(shop: Shop, person: Person) -> None:
    await _two_televisions(shop)
    page = await person("picker").open("/floor")
    claim = page.form(CLAIM)
    for _ in range(3):
        await page.send("/floor", claim)
    assert await _count(shop, "claims") == 1
    scan = page.form(COUNT) | {"code": TELEVISION}
    for _ in range(3):
        await page.send("/floor", scan)
        assert page.band == "COUNTED Now the next thing"
    assert (await _task(shop))[2] == 1


async def test_a_wrong_item_says_what_it_is_and_where_it_belongs(shop: Shop, person: Person) -> None:
    await shop.order()
    page = await person("picker").open("/floor")
    await page.press(CLAIM)
    await page.press(COUNT, code=CABLE)
    assert page.status == 409
    assert page.band.startswith("WRONG ITEM This is A hdmi-2m (HDMI-2M), which is not in this order: it belongs in bin A-1.")
    assert ("In your hand" in page.said, "Needed" in page.said, COUNT in page.text) == (True, True, True)
    await page.press(COUNT, code="nothing-of-ours")
    assert (page.status, page.band.startswith("UNKNOWN CODE")) == (409, True)
    await page.press(COUNT, code=TELEVISION)
    assert page.status == 200
    await page.open("/floor")
    assert page.said.count("not counted") == 0, "the words stand in labels of the marks"
    assert page.text.count('aria-label="not counted"') == 2


async def test_more_than_is_wanted_is_refused_and_several_are_counted_by_number(shop: Shop, person: Person) -> None:
    await _two_televisions(shop)
    page = await person("picker").open("/floor")
    await page.press(CLAIM)
    await page.open("/floor?at=type")
    await page.press(COUNT, code=TELEVISION, quantity="3")
    assert (page.status, page.band.startswith("TOO MANY")) == (409, True)
    await page.open("/floor?at=type")
    await page.press(COUNT, code=TELEVISION, quantity="2")
    assert "Put all of it into one carton" in page.said


async def test_the_last_scan_is_taken_back_and_the_order_put_back(shop: Shop, person: Person) -> None:
    await _two_televisions(shop)
    page = await person("picker").open("/floor")
    await page.press(CLAIM)
    await page.press(COUNT, code=TELEVISION)
    await page.press("Take back the last scan")
    assert ((await _task(shop))[2], page.band.startswith("TAKEN BACK")) == (0, True)
    back = page.form("Put the order back")
    for _ in range(2):
        await page.send("/floor", back)
        assert (await _task(shop))[:2] == ("ready", None)
        assert (page.band.startswith("PUT BACK"), CLAIM in page.text) == (True, True)


@pytest.mark.parametrize("how", ["taken back by a planner", "taken over by another"])
async def test_a_claim_that_was_lost_is_told_and_the_next_order_is_one_press_away(shop: Shop, person: Person, how: str) -> None:
    await shop.order()
    page = await person("picker").open("/floor")
    await page.press(CLAIM)
    ((task_id, fence),) = await shop.rows("select task_id, fence from pick_tasks")
    await shop.done(f"POST /v1/pick-tasks/{task_id}/take-back", {"fence": fence}, "planner")
    if how == "taken over by another":
        await shop.done(f"POST /v1/pick-tasks/{task_id}/claim", {"claim_id": uuid7()}, "picker", "bob")
    await page.press(COUNT, code=TELEVISION)
    assert (page.status, page.band.startswith("NO LONGER YOURS"), CLAIM in page.text) == (409, True, True)
    assert ("bob" in page.band) == (how == "taken over by another")
    assert (await page.open("/floor")).band == "READY Claim the next order"


async def test_a_claim_that_ran_out_is_told_and_kept_by_the_next_scan(shop: Shop, person: Person) -> None:
    await shop.order()
    page = await person("picker").open("/floor")
    await page.press(CLAIM)
    assert "Not heard from you" not in page.said
    await shop.database.pool.execute("update pick_tasks set lease_until = clock_timestamp() - interval '1 second'")
    assert "Not heard from you for a while." in (await page.open("/floor")).said
    await page.press(COUNT, code=TELEVISION)
    assert (page.status, "Not heard from you" in page.said) == (200, False)


async def test_a_short_shelf_is_told_with_its_reason(shop: Shop, person: Person) -> None:
    await shop.order()
    page = await person("picker").open("/floor")
    await page.press(CLAIM)
    await page.open("/floor?at=short")
    await page.press("It is damaged")
    assert (page.status, page.band.startswith("NOTED")) == (200, True)
    assert await shop.rows("select reason, found, missing from short_reports") == [("damaged", 0, 1)]
    assert (await _task(shop))[:2] == ("short", None)


async def test_a_weight_that_is_off_is_asked_about_and_may_be_confirmed(shop: Shop, person: Person) -> None:
    await shop.order()
    page = await person("picker").open("/floor")
    await page.press(CLAIM)
    await page.press(COUNT, code=TELEVISION)
    assert "All is in it, the weight is right" not in page.text
    await page.press("Close the carton", carton="S1", weight_grams="9000")
    assert (page.status, page.band.startswith("CHECK IT The scale says 9000 g")) == (409, True)
    await page.press("All is in it, the weight is right")
    assert "Label the parcel" in page.said
    await page.press("Open it again")
    assert (page.band.startswith("OPEN AGAIN"), (await _task(shop))[:2]) == (True, ("picked", "ann"))


async def test_who_works_everywhere_says_where_they_are(shop: Shop, person: Person) -> None:
    await shop.order()
    page = await person("picker", site=None).open("/floor")
    await page.press(CLAIM, site="SDF1")
    assert "Scan one of these here" in page.said


async def test_at_another_site_nothing_is_claimed(shop: Shop, person: Person) -> None:
    await shop.order()
    page = await person("picker", site="CGN1").open("/floor")
    await page.send("/floor", page.form(CLAIM) | {"site": "SDF1"})
    assert (page.status, (await _task(shop))[0]) == (403, "ready")


RUBBISH: tuple[dict[str, str], ...] = (
    {"more": "1"}, {"do": ""}, {"do": "fly"}, {"do": "claim"}, {"do": "claim", "claim_id": "x", "site": "SDF1"}, {"do": "scan"},
    {"do": "scan", "task_id": "x", "scan_id": "y", "fence": "z", "code": "", "quantity": "-1"},
    {"do": "scan", "task_id": str(uuid7()), "scan_id": str(uuid7()), "fence": "9" * 30, "code": "a", "quantity": "1"},
    {"do": "scan", "task_id": str(uuid7()), "scan_id": str(uuid7()), "fence": "1", "code": "a\x00b", "quantity": "1"},
    {"do": "scan", "task_id": str(uuid7()), "scan_id": str(uuid7()), "fence": "1", "code": "a", "quantity": "1"},
    {"do": "undo", "task_id": str(uuid7()), "scan_id": str(uuid7()), "fence": "1"}, {"do": "put-back", "task_id": str(uuid7()), "fence": "1"},
    {"do": "short", "task_id": str(uuid7()), "report_id": str(uuid7()), "fence": "1", "line": "1", "found": "0", "reason": "bored"},
    {"do": "pack", "task_id": str(uuid7()), "parcel_id": str(uuid7()), "fence": "1", "carton": "XXL", "weight_grams": "1"},
    {"do": "pack", "task_id": str(uuid7()), "parcel_id": "x", "fence": "1", "carton": "S1", "weight_grams": "1e9"},
    {"do": "unpack", "task_id": str(uuid7()), "parcel_id": str(uuid7())}, {"do": "label", "parcel_id": str(uuid7())}, {"do": "label"},
)  # fmt: skip


@pytest.mark.parametrize("held", [False, True])
async def test_no_form_whatever_is_in_it_breaks_the_page(shop: Shop, person: Person, held: bool) -> None:
    await shop.order()
    page = await person("picker").open("/floor")
    if held:
        await page.press(CLAIM)
    for fields in RUBBISH:
        await page.send("/floor", fields)
        assert (400 <= page.status < 500, page.band != "") == (True, True), (fields, page.text)
    assert (await page.open("/floor")).status == 200
    assert WORDS not in page.text
