"""Money that was promised: paid once by the provider, never above what was captured, shown to the ledger as what it is."""

import asyncio
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from demo.provider.app import How
from services.kit.ids import uuid7
from services.orders.payments.domain import Reason
from services.orders.payments.ports import ProviderAway
from tests.integration.orders_payments.conftest import Till

STANDING = ("verdict", "fulfilment", "at_risk", "received")


async def standing(till: Till, promise_id: UUID) -> tuple[object, ...]:
    told = await till.ledger.standing(str(promise_id))
    return tuple(told[name] for name in STANDING)


async def test_a_refund_is_kept_once_the_provider_has_done_it(till: Till) -> None:
    order = await till.order()
    id = await till.promise(order)
    await till.tell()
    assert await standing(till, id) == ("open", "none", [], ["payments"])
    assert await till.pay() == 1
    assert till.provider.moved() == [(id, 500, order["payment"]["reference"])]
    await till.tell()
    assert await standing(till, id) == ("kept", "done", [], ["payments"])
    state, evidence = await till.row(id, "state, evidence_id")
    assert (state, evidence.startswith("re_")) == ("paid", True)
    assert await till.pay() == 0


async def test_a_row_holds_what_is_owed_and_no_words(till: Till) -> None:
    order = await till.order()
    id = await till.promise(order, customer_text="We refund you the broken cup.")
    row = await till.row(id, "order_id::text, kind, quantity, amount_minor, currency, state, paid_by")
    assert row == (order["order_id"], "refund", 1, 500, order["currency"], "owed", None)
    assert "cup" not in str(await till.row(id, "*"))


async def test_entries_that_come_again_owe_nothing_again(till: Till) -> None:
    id = await till.promise(await till.order())
    for _ in range(3):
        await till.hear()
    await till.pay()
    await till.tell()
    await till.hear()
    assert await till.pay() == 0
    assert [moved for moved, *_ in till.provider.moved()] == [id]


async def test_above_what_was_captured_nothing_is_sent_and_a_person_is_told(till: Till) -> None:
    order = await till.order(900)
    within, above, rest = [await till.promise(order, amount) for amount in (500, 500, 400)]
    assert await till.pay() == 3
    await till.tell()
    assert await till.row(above, "state, reason, paid_by") == ("refused", "above-captured", None)
    assert await standing(till, above) == ("open", "none", ["short"], ["payments"])
    assert [(id, amount) for id, amount, _ in till.provider.moved()] == [(within, 500), (rest, 400)]


async def test_two_at_once_do_not_give_back_more_than_was_captured(till: Till) -> None:
    order = await till.order(900)
    ids = [await till.promise(order, 300) for _ in range(8)]
    await asyncio.gather(*(till.pay() for _ in range(4)))
    assert (len(till.provider.moved()), len({id for id, *_ in till.provider.moved()})) == (3, 3)
    assert sorted([(await till.row(id, "state"))[0] for id in ids]) == ["paid"] * 3 + ["refused"] * 5


async def test_two_of_one_order_in_two_transactions_wait_for_each_other(till: Till) -> None:
    """The first has decided and not committed; the second must not decide on what it cannot see yet."""
    order = await till.order(900)
    first, second = [await till.promise(order, 500) for _ in range(2)]
    async with till.database.pool.acquire() as sql, sql.transaction():
        await sql.execute("select from refunds where promise_id = $1 for update", first)
        await sql.execute("select from orders where order_id = $1 for no key update", UUID(order["order_id"]))
        other = asyncio.create_task(till.pay())
        await asyncio.sleep(0.2)
        assert not other.done()
        asked = "state = 'asked', paid_by = 'card', payment_reference = 'p', tries = 1, tried_at = clock_timestamp()"
        await sql.execute(f"update refunds set {asked} where promise_id = $1", first)
    await other
    assert await till.row(second, "state, reason") == ("refused", "above-captured")


async def test_another_currency_is_not_converted(till: Till) -> None:
    order = await till.order()
    id = await till.promise(order, currency="USD" if order["currency"] != "USD" else "EUR")
    await till.pay()
    assert (await till.row(id, "reason"), till.provider.moved()) == (("other-currency",), [])


async def test_an_order_that_is_not_ours_and_none_at_all(till: Till) -> None:
    ids = [await till.promise({"order_id": str(uuid7()), "currency": "EUR"}), await till.promise(None)]
    await till.pay()
    assert [(await till.row(id, "state, reason")) for id in ids] == [("refused", "unknown-order")] * 2


async def test_a_crash_between_call_and_answer_is_asked_about_and_nothing_moves_twice(till: Till) -> None:
    id = await till.promise(await till.order())
    till.provider.misbehave(How.LOST)
    till.provider.misbehave(How.SILENT, method="GET")
    with pytest.raises(ProviderAway):
        await till.pay()
    assert await till.row(id, "state, tries") == ("asked", 1)
    assert await till.pay() == 0, "not before its time"
    await till.later()
    assert await till.pay() == 1
    assert (await till.row(id, "state"), len(till.provider.moved())) == (("paid",), 1)
    assert [each["asked"] for each in till.provider.provider.books.all()] == [1], "it was found, not sent again"


async def test_a_crash_before_the_call_is_made_up_for(till: Till) -> None:
    id = await till.promise(await till.order())
    (begun,), decided = await till.book.begin(20)
    assert (begun.promise_id, decided, till.provider.moved()) == (id, 1, [])
    await till.later()
    assert await till.pay() == 1
    assert await till.row(id, "state") == ("paid",)


async def test_what_was_settled_is_not_settled_again_by_an_answer_that_comes_twice(till: Till) -> None:
    paid, refused = [await till.promise(await till.order()) for _ in range(2)]
    await till.book.begin(20)
    before = await till.orders.rows("select count(*) from promise_reports")
    for _ in range(2):
        await till.book.paid(paid, "re_1")
        await till.book.refuse(refused, Reason.PROVIDER_REFUSED)
        await till.book.paid(refused, "re_2")
        await till.book.refuse(paid, Reason.PROVIDER_REFUSED)
    assert [await till.row(id, "state, evidence_id") for id in (paid, refused)] == [("paid", "re_1"), ("refused", None)]
    assert (await till.orders.rows("select count(*) from promise_reports"))[0][0] == before[0][0] + 2


async def test_a_provider_that_says_no_leaves_it_to_a_person(till: Till) -> None:
    id = await till.promise(await till.order())
    till.provider.misbehave(How.REFUSES)
    assert await till.pay() == 1
    await till.tell()
    assert await till.row(id, "state, reason") == ("refused", "provider-refused")
    assert await standing(till, id) == ("open", "none", ["short"], ["payments"])
    again = await till.promise(await till.order(), 100)
    await till.pay()
    assert [id for id, *_ in till.provider.moved()] == [again]


@pytest.mark.parametrize("how", ["release", "void"])
async def test_what_is_taken_back_before_the_money_moved_is_withdrawn(till: Till, how: str) -> None:
    id = await till.promise(await till.order())
    body = {"release": {"consent": "By phone, today."}, "void": {"reason": "Another customer was meant."}}[how]
    answered = await till.ledger.post(f"/v1/promises/{id}/{how}", body, role="care", subject="care-7")
    assert answered.status_code == 201, answered.text
    await till.hear()
    assert await till.pay() == 0
    assert (await till.row(id, "state"), till.provider.moved()) == (("withdrawn",), [])


async def test_what_is_taken_back_while_it_is_asked_for_ends_as_the_provider_says(till: Till) -> None:
    order = await till.order()
    moved, not_moved = [await till.promise(order, 100) for _ in range(2)]
    await till.book.begin(20)
    await till.provider.client.refund(moved, order["payment"]["reference"], (await till.book.unsettled(0, 1))[0].amount)
    for id in (moved, not_moved):
        await till.ledger.post(f"/v1/promises/{id}/void", {"reason": "A slip."}, role="care", subject="care-7")
    await till.hear()
    await till.later()
    await till.pay()
    assert [(await till.row(id, "state"))[0] for id in (moved, not_moved)] == ["paid", "withdrawn"]
    assert len(till.provider.moved()) == 1


async def test_what_a_person_has_shown_to_be_paid_is_not_paid_again(till: Till) -> None:
    id = await till.promise(await till.order())
    shown = {"id": "by-hand-1", "type": "refunded", "at": "2026-11-22T04:59:00Z"}
    assert (await till.ledger.post(f"/v1/promises/{id}/evidence", shown)).status_code == 201
    await till.hear()
    assert (await till.pay(), await till.row(id, "state"), till.provider.moved()) == (0, ("withdrawn",), [])


async def test_an_order_that_is_authorised_waits_for_its_capture(till: Till) -> None:
    order = await till.order(900, "authorised")
    id = await till.promise(order)
    assert (await till.pay(), await till.row(id, "state")) == (0, ("owed",))
    secured = {"channel": order["channel"], "external_ref": order["external_ref"], "amount_minor": 900, "reference": "captured-7"}
    for state in ("captured", "authorised"):  # the second one is late
        said = secured | {"state": state, "reference": f"{state}-7"}
        assert await till.orders.hear(till.orders.event("storefront.PaymentSecured.v1", said)) == []
    assert await till.pay() == 1
    assert till.provider.moved() == [(id, 500, "captured-7")]


async def test_a_duty_in_free_text_is_listed_and_nothing_is_paid(till: Till) -> None:
    text = "We have the bank call you about the double charge."
    id = await till.promise(await till.order(), kind="free_text", department="payments", customer_text=text)
    assert await till.pay() == 0
    assert await till.row(id, "kind, state") == ("free_text", "owed")


async def test_a_credit_is_entered_once_and_shown_to_the_ledger(till: Till) -> None:
    id = await till.promise(None, 700, "credit")
    await asyncio.gather(*(till.pay() for _ in range(4)))
    await till.pay()
    assert await till.credited() == [(id, "EUR", 700)]
    await till.tell()
    assert await standing(till, id) == ("kept", "done", [], ["payments"])
    ((entry,),) = await till.orders.rows("select entry_id::text from credit_entries")
    assert await till.row(id, "state, evidence_id") == ("paid", entry)


async def test_a_compensation_on_an_order_that_nothing_was_taken_for_goes_to_the_account(till: Till) -> None:
    free = await till.order(0)
    refused = await till.promise(free, 300)
    due = {"said": "2026-11-22T08:00", "zone": "Europe/Berlin"}
    broken = await till.ledger.promise(order_id=free["order_id"], currency=free["currency"], due=due)
    count = await till.ledger.count()
    till.clock.advance(timedelta(hours=2, seconds=1))
    await till.ledger.until(count + 2)
    await till.hear()
    await till.pay()
    await till.tell()
    assert await till.row(refused, "state, reason") == ("refused", "nothing-captured")
    ((compensation,),) = await till.orders.rows("select promise_id from refunds where cause = $1", UUID(broken["promise_id"]))
    assert await till.credited() == [(compensation, free["currency"], 450)]
    assert await standing(till, compensation) == ("kept", "done", [], ["payments"])
    assert till.provider.moved() == []


async def test_entries_of_the_account_are_never_changed(till: Till) -> None:
    await till.promise(None, 700, "credit")
    await till.pay()
    columns = [name for (name,) in await till.orders.rows("select column_name from information_schema.columns where table_name = 'credit_entries'")]
    statements = [f"update credit_entries set {name} = {name}" for name in columns]  # columns of ours
    statements += ["delete from credit_entries", "truncate credit_entries", "drop table credit_entries"]
    statements += ["alter table credit_entries disable trigger all", "drop function credit_refuse_change() cascade"]
    for statement in statements:
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.GeneratedAlwaysError)):
            await till.database.pool.execute(statement)
    assert len(columns) == 7
