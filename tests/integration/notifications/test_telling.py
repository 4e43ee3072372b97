"""From a promise of the ledger to a mail in its very words: noted as told before it is sent, once, and never where it does not count."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.kit.clock import FixedClock
from services.kit.database import Database, service_url
from services.kit.ids import uuid7
from services.kit.promise.duties import Report, What, report
from services.kit.promise.line import read_line
from services.kit.promise.reporting import reporting
from services.kit.promise.state import Department, Risk
from services.kit.promise.view import apply
from services.kit.values import Heard
from services.notifications.agents import STAGE, TIMERS
from services.notifications.api import router
from services.notifications.domain import Erased
from services.notifications.sending import Sending
from services.notifications.settings import Settings
from services.promises.ledger.compensating import compensation_id
from tests.integration.notifications.conftest import MailServer, Orders, body_of
from tests.integration.promises.ledger.speaking import CUSTOMER, Speaking, speaking
from tests.support.api import Api, api_of
from tests.unit.notifications.build import contact, heard

MORNING = datetime(2026, 11, 25, 9, 12, tzinfo=UTC)
DAY, NIGHT = datetime(2026, 11, 25, 15, 0, tzinfo=UTC), datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
"""10:00 and 22:00 in New York, where the customer is."""
WORDS = "Grüße & Küsse: »Zoë’s« <b>naïve</b> cable's 2 × 3 m – “free” \u00a0👍🏽 &amp; = .. \N{MICRO SIGN}"
ADA = UUID(CUSTOMER)


class Customer:
    """Whom the ledger promises, and messages tells."""

    def __init__(self, ledger: Speaking, database: Database, settings: Settings, mails: MailServer, clock: FixedClock) -> None:
        self.ledger, self.database, self.mails, self.clock = ledger, database, mails, clock
        self._errand, self._sending = reporting("notifications", settings, httpx.ASGITransport(ledger.app)), Sending(settings)

    async def know(self, **more: Any) -> None:
        await self.hear_events(heard(contact(customer_id=ADA, **more), 5))

    async def hear_events(self, *events: Heard[Any]) -> None:
        async with self.database.transaction() as work:
            await STAGE.handle(work, events)

    async def hear(self, entries: int) -> None:
        """The feed from its beginning, as far as these entries."""
        told = await self.ledger.told(entries)
        async with self.database.transaction() as work:
            await apply(work, told[:entries], STAGE.duties)

    async def report(self) -> int:
        return await self._errand.run(self.database)

    async def say(self, *reports: Report) -> None:
        async with self.database.transaction() as work:
            report(work, reports)
        await self.report()

    async def send(self) -> None:
        while await self._sending.run(self.database):
            pass

    async def promise(self, **changes: Any) -> str:
        """Promise it, and tell the customer as far as they may be told by now. Its id."""
        promise_id: str = (await self.ledger.promise(**changes))["promise_id"]
        await self.catch_up()
        return promise_id

    async def catch_up(self) -> None:
        """Hear all, report, hear what that led to, send."""
        await self.hear(await self.ledger.count())
        if await self.report():
            await self.hear(await self.ledger.count())
        await self.send()

    async def states(self) -> list[tuple[str, str, str | None]]:
        return [tuple(row) for row in await self.database.pool.fetch("select intent, state, reason from messages order by seq")]

    async def wake(self) -> int:
        async with self.database.transaction() as work:
            return await TIMERS[0].fire(work)


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("promises", "notifications")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(MORNING)


@pytest.fixture
async def database(database_url: str, clock: FixedClock) -> AsyncIterator[Database]:
    opened = await Database.connect(service_url(database_url, "notifications"), "notifications", clock, size=10)
    yield opened
    await opened.close()


@pytest.fixture
async def customer(
    database_url: str, tmp_path: Path, clock: FixedClock, database: Database, settings: Settings, mail_server: MailServer
) -> AsyncIterator[Customer]:
    async with speaking(database_url, tmp_path, clock) as ledger:
        made = Customer(ledger, database, settings, mail_server, clock)
        await made.know()
        yield made


class _Paragraphs(HTMLParser):
    """The text of each paragraph, as a browser's textContent gives it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._within = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "p":
            self._within = True
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._within = self._within and tag != "p"

    def handle_data(self, data: str) -> None:
        if self._within:
            self.texts[-1] += data


def lines_of(mails: MailServer, number: int = -1) -> tuple[list[str], list[str]]:
    """The lines of a mail's text, and the paragraphs of its HTML."""
    mail = mails.taken[number]
    return body_of(mail, "plain").splitlines(), _Paragraphs(body_of(mail, "html")).texts


async def test_the_sentence_stands_alone_letter_for_letter_in_both_parts_with_its_due(customer: Customer) -> None:
    for language, due in (("en", "Friday 27 November 2026, 18:00 (Europe/Berlin)"), ("de", "Freitag, 27. November 2026, 18:00 Uhr (Europe/Berlin)")):
        promise_id = await customer.promise(customer_text=WORDS, language=language, customer_id=CUSTOMER)
        for lines in lines_of(customer.mails):
            assert [line for line in lines if line == WORDS] == [WORDS]
            assert any(due in line for line in lines)
        assert (await customer.ledger.standing(promise_id))["told"] is True
    assert customer.mails.subjects == ["Our promise", "Unser Versprechen"]
    assert '<html lang="de">' in body_of(customer.mails.taken[-1], "html")
    assert not [mail for mail in customer.mails.taken if "/o/link" not in body_of(mail, "plain")]


async def test_no_mail_waits_before_the_ledger_has_noted_that_it_is_told(customer: Customer) -> None:
    await customer.ledger.promise()
    await customer.hear(1)
    await customer.send()
    assert (await customer.states(), customer.mails.taken) == ([], [])
    assert await customer.report() == 1
    await customer.hear(2)
    assert await customer.states() == [("promised", "waiting", None)]
    await customer.send()  # as whoever starts anew after a crash does
    await customer.send()
    assert (len(customer.mails.taken), await customer.states()) == (1, [("promised", "sent", None)])


async def test_a_promise_that_is_void_before_is_not_told(customer: Customer) -> None:
    early, late = (await customer.ledger.promise())["promise_id"], (await customer.ledger.promise(kind="answer_by"))["promise_id"]
    reason = {"reason": "Typed for the wrong customer."}
    assert (await customer.ledger.post(f"/v1/promises/{early}/void", reason)).status_code == 201
    await customer.hear(3)
    assert await customer.database.pool.fetchval("select count(*) from promise_reports") == 1, "only the other one is to be told"
    assert (await customer.ledger.post(f"/v1/promises/{late}/void", reason)).status_code == 201
    await customer.catch_up()
    assert (customer.mails.taken, await customer.states()) == ([], [])


async def test_told_twice_and_the_feed_repeated_are_one_mail(customer: Customer) -> None:
    promise_id = UUID(await customer.promise())
    told = Report(promise_id, Department.MESSAGES, What.TOLD, channel="page")
    await customer.say(told, told)
    for _ in range(3):
        await customer.hear(2)
    await customer.catch_up()
    assert (len(customer.mails.taken), await customer.ledger.count()) == (1, 2)


@pytest.mark.parametrize("heard_before", [True, False])
async def test_a_promise_that_a_page_showed_first_is_mailed_once_all_the_same(customer: Customer, heard_before: bool) -> None:
    promise_id = (await customer.ledger.promise())["promise_id"]
    if heard_before:
        await customer.hear(1)
    shown = {"report_id": str(uuid7()), "promise_id": promise_id, "department": "messages", "what": "told", "channel": "page"}
    assert (await customer.ledger.post("/v1/promises:report", {"reports": [shown]}, key=None, subject="orders")).status_code == 200
    for _ in range(2):
        await customer.catch_up()
    assert (customer.mails.subjects, await customer.states()) == (["Our promise"], [("promised", "sent", None)])
    assert await customer.ledger.count() == 2, "told once"


async def test_words_that_are_gone_are_not_mailed(customer: Customer) -> None:
    await customer.ledger.promise()
    told = [*await customer.ledger.told(1)]
    async with customer.database.transaction() as work:
        await apply(work, [type(told[0])(told[0].position, told[0].entry)], STAGE.duties)
    assert (await customer.report(), await customer.states()) == (0, [])
    await customer.say(Report(read_line(told[0].entry).promise_id, Department.MESSAGES, What.TOLD, channel="page"))
    await customer.hear(2)
    assert await customer.states() == [], "though it was told on a page"
    await customer.promise(kind="answer_by")
    await customer.database.pool.execute("update messages set state = 'waiting', next_try_at = clock_timestamp()")
    await customer.database.pool.execute("update promise_view set words = null")
    await customer.send()
    assert (len(customer.mails.taken), await customer.states()) == (1, [("promised", "failed", "words-erased")])


async def test_a_break_and_what_makes_good_for_it_are_one_mail_that_wakes_nobody(customer: Customer) -> None:
    promise_id = await customer.promise(due={"said": "2026-11-26T02:30", "zone": "UTC"}, customer_text="We call you’s <soon>.")
    customer.clock.instant = NIGHT + timedelta(days=1)
    await customer.ledger.until(4)
    await customer.catch_up()
    assert len(customer.mails.taken) == 1
    customer.clock.instant = datetime(2026, 11, 26, 12, 59, tzinfo=UTC)
    assert await customer.wake() == 0
    await customer.send()
    assert len(customer.mails.taken) == 1
    customer.clock.instant = datetime(2026, 11, 26, 13, tzinfo=UTC)
    assert await customer.wake() == 1
    await customer.send()
    words = (await customer.ledger.standing(str(compensation_id(UUID(promise_id)))))["customer_text"]
    for lines in lines_of(customer.mails):
        assert (lines.count("We call you’s <soon>."), lines.count(words)) == (1, 1)
        assert lines.index("We call you’s <soon>.") < lines.index(words)
    assert customer.mails.subjects == ["Our promise", "We did not keep a promise"]
    assert [state for _, state, _ in await customer.states()] == ["sent", "sent"]


@pytest.mark.parametrize("consent", ["“Friday is fine.”", None])
async def test_a_promise_in_place_of_another_tells_of_both(customer: Customer, consent: str | None) -> None:
    old = await customer.promise(customer_text="We call on Friday.")
    body = {
        "promise_id": str(uuid7()), "customer_id": CUSTOMER, "kind": "call_back", "customer_text": "We call on Monday.",
        "due": {"said": "2026-11-30", "zone": "Europe/Berlin"},
    } | ({"consent": consent} if consent else {})  # fmt: skip
    assert (await customer.ledger.post(f"/v1/promises/{old}/replacements", body)).status_code == 201
    await customer.catch_up()
    says = (
        "It replaces what we promised before:" if consent else "What we promised before still stands beside it, until you agree to the new promise:"
    )
    for lines in lines_of(customer.mails):
        assert [line for line in lines if line in ("We call on Monday.", "We call on Friday.", says)] == [
            "We call on Monday.",
            says,
            "We call on Friday.",
        ]
    assert any("Monday 30 November 2026 (Europe/Berlin)" in line for line in lines_of(customer.mails)[0])
    assert customer.mails.subjects == ["Our promise", "Our new promise"]


async def test_a_risk_is_told_once_by_its_reason_and_never_that_nobody_took_it(customer: Customer) -> None:
    customer.clock.instant = DAY
    promise_id = UUID(await customer.promise(customer_text=WORDS))
    await customer.ledger.database.pool.execute("update ledger_promises set acknowledge_by = clock_timestamp()")
    await customer.ledger.until(3)
    await customer.catch_up()
    assert (await customer.ledger.standing(str(promise_id)))["at_risk"] == ["unacknowledged"]
    assert customer.mails.subjects == ["Our promise"]
    raised, cleared = What.AT_RISK, What.OUT_OF_RISK
    for what, reason in ((raised, Risk.LATE), (cleared, Risk.LATE), (raised, Risk.LATE), (raised, Risk.SHORT)):
        await customer.say(Report(promise_id, Department.MESSAGES, what, reason=reason))
        await customer.catch_up()
    assert customer.mails.subjects == ["Our promise", "We may not keep a promise", "We may not keep a promise"]
    for number, says in ((1, "It may be later"), (2, "Something of it may be missing")):
        for lines in lines_of(customer.mails, number):
            assert (lines.count(WORDS), [says in line for line in lines].count(True)) == (1, 1)


async def test_a_risk_of_the_night_that_is_gone_by_morning_is_not_told(customer: Customer) -> None:
    promise_id = UUID(await customer.promise(kind="send_information", thing="the manual"))
    customer.clock.instant = NIGHT + timedelta(days=1)
    await customer.say(Report(promise_id, Department.MESSAGES, What.AT_RISK, reason=Risk.LATE))
    await customer.catch_up()
    await customer.promise(customer_text="What they ask for by night is told by night.")
    assert customer.mails.subjects == ["Our promise"] * 2
    await customer.say(Report(promise_id, Department.MESSAGES, What.OUT_OF_RISK, reason=Risk.LATE))
    await customer.catch_up()
    customer.clock.instant = datetime(2026, 11, 26, 13, tzinfo=UTC)
    assert await customer.wake() == 0
    await customer.send()
    assert len(customer.mails.taken) == 2
    assert await customer.states() == [("promised", "sent", None), ("at_risk", "suppressed", "superseded"), ("promised", "sent", None)]
    await customer.say(Report(promise_id, Department.MESSAGES, What.AT_RISK, reason=Risk.LATE))
    await customer.catch_up()
    assert (await customer.states())[3:] == [("at_risk", "sent", None)]
    said = await customer.database.pool.fetch("select type from outbox order by id")
    assert [row["type"].split(".")[1] for row in said] == [
        "PromiseMessageSent",
        "PromiseMessageSent",
        "PromiseMessageSuppressed",
        "PromiseMessageSent",
    ]


async def test_what_a_customer_agreed_to_drop_is_not_told_any_more(customer: Customer) -> None:
    customer.mails.at, customer.mails.answers = "rcpt", ["451 Busy"]
    promise_id = await customer.promise()
    assert await customer.states() == [("promised", "waiting", "temporarily-refused")]
    released = await customer.ledger.post(f"/v1/promises/{promise_id}/release", {"consent": "Leave it.", "asked_by_us": False})
    assert released.status_code == 201, released.text
    await customer.catch_up()
    assert (customer.mails.taken, await customer.states()) == ([], [("promised", "suppressed", "superseded")])


async def test_mails_to_a_customer_go_out_in_the_order_of_the_promises_and_hold_up_nobody_else(customer: Customer) -> None:
    other = uuid7()
    await customer.hear_events(heard(contact(customer_id=other, email="zoe@example.com"), 5))
    customer.mails.at, customer.mails.answers = "rcpt", ["451 Busy"]
    await customer.promise(customer_text="First.")
    await customer.promise(customer_text="Second.", kind="answer_by")
    await customer.promise(customer_id=str(other))
    assert customer.mails.recipients == ["zoe@example.com"]
    await customer.database.pool.execute("update messages set next_try_at = clock_timestamp()")
    await customer.send()
    assert customer.mails.recipients == ["zoe@example.com", "ada@example.com", "ada@example.com"]
    assert [said in lines_of(customer.mails, number)[0] for number, said in ((1, "First."), (2, "Second."))] == [True, True]


async def test_a_mail_left_in_sending_is_in_doubt_and_never_sent_again(customer: Customer) -> None:
    await customer.promise()
    await customer.database.pool.execute("update messages set state = 'sending'")
    await customer.send()
    assert (len(customer.mails.taken), await customer.states()) == (1, [("promised", "unknown", "interrupted")])


async def test_a_mail_waits_for_the_address_and_an_erased_customer_gets_none(customer: Customer) -> None:
    await customer.hear_events(heard(Erased(ADA), 6))
    await customer.promise()
    assert (customer.mails.taken, await customer.states()) == ([], [("promised", "waiting", None)])
    await customer.hear_events(heard(contact(customer_id=ADA), 7))
    await customer.send()
    assert len(customer.mails.taken) == 1
    await customer.ledger.promise(kind="send_information", thing="the manual")
    await customer.hear(await customer.ledger.count())
    await customer.report()
    await customer.hear(await customer.ledger.count())
    await customer.hear_events(heard(Erased(ADA), 8))
    await customer.send()
    assert (len(customer.mails.taken), (await customer.states())[1:]) == (1, [("promised", "suppressed", "erased")])


async def test_a_promise_without_an_order_or_of_one_that_orders_does_not_know_has_no_link(customer: Customer, orders: Orders) -> None:
    await customer.promise(order_id=None)
    assert orders.tokens == []
    orders.knows = False
    await customer.promise(kind="answer_by")
    assert len(orders.tokens) == 1
    for mail in customer.mails.taken:
        assert "/o/" not in body_of(mail, "plain") + body_of(mail, "html")
    assert len(customer.mails.taken) == 2


@pytest.fixture
async def api(database: Database, settings: Settings, tmp_path: Path) -> AsyncIterator[Api]:
    async with api_of("notifications", [router], database, tmp_path, settings=settings) as made:
        yield made


INFORMATION = {"subject": "Your manual", "text": "Grüße <&> 👩‍👩‍👧: the manual is at https://kept.example/m."}


async def _ask(api: Api, promise_id: str, key: str = "k1", body: dict[str, str] = INFORMATION) -> httpx.Response:
    content = json.dumps(body).encode()
    return await api.call("POST", f"/v1/promises/{promise_id}/information", content=content, role="care", idempotency_key=key)


async def test_information_is_sent_once_and_its_mail_keeps_the_promise(customer: Customer, api: Api) -> None:
    promise_id = await customer.promise(kind="send_information", thing="the manual")
    first, again = await _ask(api, promise_id), await _ask(api, promise_id)
    assert (first.status_code, again.status_code, again.json()) == (202, 202, first.json())
    assert (await customer.ledger.standing(promise_id))["verdict"] == "open"
    await customer.send()
    await customer.catch_up()
    assert customer.mails.subjects == ["Our promise", "Your manual"]
    for lines in lines_of(customer.mails):
        assert INFORMATION["text"] in lines
    standing = await customer.ledger.standing(promise_id)
    assert (standing["verdict"], standing["settled_by"], standing["shown"]) == ("kept", "messages", [first.json()["message_id"]])
    assert (await api.call("GET", first.headers["location"])).json()["intent"] == "information"


async def test_information_that_never_left_keeps_nothing(customer: Customer, api: Api) -> None:
    promise_id = await customer.promise(kind="send_information", thing="the manual")
    customer.mails.at, customer.mails.answers = "rcpt", ["550 Nobody"]
    assert (await _ask(api, promise_id)).status_code == 202
    await customer.send()
    await customer.catch_up()
    assert (await customer.states())[1:] == [("information", "failed", "mailbox-unknown")]
    assert (await customer.ledger.standing(promise_id))["verdict"] == "open"


async def test_what_promises_no_information_is_refused_and_so_is_who_has_no_address(customer: Customer, api: Api) -> None:
    other, promise_id = await customer.promise(), await customer.promise(kind="send_information", thing="the manual")
    stranger = await customer.promise(kind="send_information", thing="the manual", customer_id=str(uuid7()))
    count = len(await customer.states())
    for asked, status, slug in ((other, 409, "nothing-to-send"), (str(uuid7()), 404, "not-found"), (stranger, 409, "no-address")):
        refused = await _ask(api, asked)
        assert (refused.status_code, refused.json()["type"].rsplit(":")[-1]) == (status, slug)
    for body in ({"subject": "a\nb", "text": "x"}, {"subject": "", "text": "x"}, {"subject": "a", "text": " "}, {"subject": "a"}):
        assert (await _ask(api, promise_id, body=body)).status_code == 422
    assert len(await customer.states()) == count
