"""A mail that warns of a delivery says on which other day it can be brought: decided once, and never waited for."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from services.kit.ids import uuid7
from services.kit.promise.duties import Report, What
from services.kit.promise.state import Department, Risk
from services.notifications.settings import Settings
from services.notifications.telling import offering, outgoing
from tests.integration.notifications import test_telling
from tests.integration.notifications.conftest import Warehouse, body_of
from tests.integration.notifications.test_telling import ADA, DAY, Customer, lines_of
from tests.unit.notifications.build import contact, heard

clock, customer, database, services = test_telling.clock, test_telling.customer, test_telling.database, test_telling.services
ORDER = str(uuid7())
NEXT = "2026-11-30T01:00:00Z"
"""Sunday the 29th in New York, where the customer is."""


@pytest.fixture(autouse=True)
def day(customer: Customer) -> None:
    """Nobody is woken."""
    customer.clock.instant = DAY


async def _promise(customer: Customer, **changes: Any) -> UUID:
    date = {"kind": "delivery_date", "order_id": ORDER, "due": {"said": "2026-11-27", "zone": "America/New_York"}}
    return UUID(await customer.promise(**date | changes))


async def _warn(customer: Customer, *promises: UUID, reason: Risk = Risk.LATE) -> None:
    await customer.say(*(Report(promise_id, Department.MESSAGES, What.AT_RISK, reason=reason) for promise_id in promises))
    await customer.hear(await customer.ledger.count())


@pytest.mark.parametrize(
    ("language", "reason", "says"),
    [
        ("en", Risk.LATE, "The next day on which we can bring it is Sunday 29 November 2026 (America/New_York)."),
        ("en", Risk.SHORT, "The next day on which we can bring all of it is Sunday 29 November 2026 (America/New_York)."),
        ("de", Risk.LATE, "Der nächste Tag, an dem wir es bringen können: Sonntag, 29. November 2026 (America/New_York)."),
        ("de", Risk.SHORT, "Der nächste Tag, an dem wir alles bringen können: Sonntag, 29. November 2026 (America/New_York)."),
    ],
)
async def test_it_names_the_next_day_where_the_customer_is(customer: Customer, warehouse: Warehouse, language: str, reason: Risk, says: str) -> None:
    warehouse.days = [NEXT, "2026-12-01T01:00:00Z"]
    promise_id = await _promise(customer, language=language)
    await _warn(customer, promise_id, reason=reason)
    await customer.send()
    for lines in lines_of(customer.mails):
        assert lines.count(says) == 1
        assert len([line for line in lines if "+1 800 555 0142" in line]) == 2
    assert warehouse.asked == [(ORDER, "limit=1")]


async def test_while_the_warehouse_does_not_answer_mails_go_without_a_day_at_once(
    customer: Customer, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offering, "_PATIENCE_SECONDS", 0.5)
    warehouse.days = [NEXT]
    for status, seconds in ((503, 0.0), (200, 30.0)):
        warehouse.status, warehouse.seconds, warehouse.asked = status, seconds, []
        others = [uuid7(), uuid7()]
        await customer.hear_events(*(heard(contact(customer_id=each, email="zoe@example.com"), 5) for each in others))
        await _warn(customer, *[await _promise(customer, customer_id=str(each), order_id=str(uuid7())) for each in others])
        sent = len(customer.mails.taken)
        await customer.send()
        assert (len(customer.mails.taken) - sent, len(warehouse.asked)) == (2, 1), "one answer that does not come is enough"
        for mail in customer.mails.taken[-2:]:
            assert "We will tell you more as soon as we know it." in body_of(mail, "plain")
            assert "next day" not in body_of(mail, "plain") + body_of(mail, "html")


@pytest.mark.parametrize("status", [404, 409])
async def test_an_order_that_has_no_other_day_is_warned_of_without_one(customer: Customer, warehouse: Warehouse, status: int) -> None:
    warehouse.status, warehouse.days = status, [NEXT]
    await _warn(customer, await _promise(customer))
    await customer.send()
    warehouse.status, warehouse.days = 200, []
    await _warn(customer, await _promise(customer, order_id=str(uuid7())))
    await customer.send()
    warned = [mail for mail in customer.mails.taken if mail["Subject"] == "We may not keep a promise"]
    assert [("We will tell you more" in body_of(mail, "plain"), "next day" in body_of(mail, "plain")) for mail in warned] == [(True, False)] * 2


async def test_what_was_decided_stands_however_often_the_mail_is_tried(customer: Customer, warehouse: Warehouse) -> None:
    promise_id = await _promise(customer)
    customer.mails.at, customer.mails.answers = "rcpt", ["451 Busy"]
    warehouse.days = [NEXT]
    await _warn(customer, promise_id)
    await customer.send()
    assert (await customer.states())[1:] == [("at_risk", "waiting", "temporarily-refused")]
    warehouse.days = ["2026-12-05T01:00:00Z"]
    await customer.hear_events(heard(replace(contact(customer_id=ADA), zone="Asia/Tokyo"), 9))
    await customer.database.pool.execute("update messages set next_try_at = clock_timestamp()")
    await customer.send()
    assert "Sunday 29 November 2026 (America/New_York)" in body_of(customer.mails.taken[-1], "plain")
    assert (len(warehouse.asked), len(customer.mails.taken)) == (1, 2)


async def test_no_mail_is_written_before_it_is_decided(customer: Customer, warehouse: Warehouse, settings: Settings) -> None:
    await _warn(customer, await _promise(customer))
    assert await outgoing.waiting(customer.database) == []
    await offering.decide(settings, customer.database)
    assert [waiting.beside.offered for waiting in await outgoing.waiting(customer.database) if waiting.beside] == [None]
    assert warehouse.asked == [(ORDER, "limit=1")]


async def test_a_day_that_keeps_the_promise_and_a_promise_that_nobody_brings_are_not_offered(customer: Customer, warehouse: Warehouse) -> None:
    warehouse.days = ["2026-11-28T04:59:59Z"]
    await _warn(customer, await _promise(customer))
    await customer.send()
    assert (len(warehouse.asked), "next day" in body_of(customer.mails.taken[-1], "plain")) == (1, False)
    call = await _promise(customer, kind="call_back", due={"said": "2026-11-27T18:00", "zone": "America/New_York"})
    gift = await _promise(customer, kind="gift", sku="HDMI-2M", thing="HDMI cable")
    await _warn(customer, call)
    await _warn(customer, gift, reason=Risk.SHORT)
    await customer.send()
    assert (len(warehouse.asked), customer.mails.subjects.count("We may not keep a promise")) == (1, 3)
