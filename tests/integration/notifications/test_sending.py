"""From news to a mail on a real mail server: once, in the promise's words, and never twice when nobody knows."""

import asyncio
import json
from pathlib import Path

import pytest

from services.kit import tokens
from services.kit.database import decode_headers
from services.notifications.attempts import _MARK, Attempt, Ended, _mark, mark
from services.notifications.clients import UNREACHABLE
from services.notifications.domain import ATTEMPTS, Cancelled, Delivered, Erased, HandedOver, Settled, State
from services.notifications.sending import _WAITING, _waiting
from tests.integration.notifications.conftest import MailServer, Notifications, Orders, body_of
from tests.support.polling import poll_until
from tests.unit.notifications.build import (
    ANSWER_WORDS,
    CUSTOMER,
    NEW_WORDS,
    NOW,
    ORDER,
    WORDS,
    contact,
    declined,
    heard,
    life,
    placed,
    promised,
    uuid,
)

KNOWN = (heard(placed()), heard(contact()))


async def test_a_customer_hears_of_every_step_in_order_and_once(notifications: Notifications, mail_server: MailServer) -> None:
    for news in (*KNOWN, *life()):
        await notifications.hear(news)
        await notifications.send_all()
    assert mail_server.subjects == [
        "Your order VCMR-R6G1",
        "Your order VCMR-R6G1 will be later than we promised",
        "Your order VCMR-R6G1 is on its way",
        "Your order VCMR-R6G1 is there",
    ]
    assert mail_server.recipients == ["ada@example.com"] * 4
    said = await notifications.said()
    assert [(name, data["intent"], data["promise_version"]) for name, data in said] == [
        ("MessageSent", "confirmed", 1), ("MessageSent", "delayed", 2), ("MessageSent", "handed_over", 2), ("MessageSent", "delivered", 2),
    ]  # fmt: skip
    assert "example.com" not in json.dumps(said), "what is said holds no address"


async def test_the_words_of_the_promise_stand_in_both_parts(notifications: Notifications, mail_server: MailServer) -> None:
    for news in (*KNOWN, *life()[:3]):
        await notifications.hear(news)
        await notifications.send_all()
    for mail, words in zip(mail_server.taken, (WORDS, NEW_WORDS, NEW_WORDS), strict=True):
        assert words in body_of(mail, "plain")
        assert words in body_of(mail, "html")
        assert "https://kept.example/o/link-" in body_of(mail, "plain")
        assert (mail["Reply-To"], "+1 800" in body_of(mail, "plain"), "+1 800" in body_of(mail, "html")) == ("care@brookmill.example", True, True)


async def test_an_answer_is_told_verbatim_as_no_promise_and_the_promise_after_it_is_told_too(
    notifications: Notifications, mail_server: MailServer
) -> None:
    said = (heard(declined()), heard(declined()), heard(promised()), heard(declined(words=NEW_WORDS), id=uuid(500_001)), heard(HandedOver(ORDER)))
    for news in (*KNOWN, *said):
        await notifications.hear(news)
        await notifications.send_all()
    for mail, words in zip(mail_server.taken, (ANSWER_WORDS, WORDS, NEW_WORDS, ""), strict=True):
        for kind in ("plain", "html"):
            body = body_of(mail, kind)
            assert words in body
            assert ("our promise" in body) == (words == WORDS)
    assert "promise" not in body_of(mail_server.taken[-1], "plain")
    told = [(data["intent"], data["promise_version"]) for _, data in await notifications.said()]
    assert told == [("confirmed", 1), ("confirmed", 2), ("delayed", 3), ("handed_over", 3)]


async def test_news_heard_twice_and_at_once_is_one_message(notifications: Notifications, mail_server: MailServer) -> None:
    await notifications.hear(*KNOWN)
    for news in life():
        await asyncio.gather(*(notifications.hear(news) for _ in range(8)))
        await notifications.send_all()
    await asyncio.gather(*(notifications.hear(*life()) for _ in range(8)))
    await notifications.hear(heard(HandedOver(ORDER)), heard(Delivered(ORDER, True)), heard(Delivered(ORDER, False)))
    await notifications.send_all()
    assert len(mail_server.taken) == 4
    assert len(await notifications.rows("select distinct order_id, intent, promise_version, channel from messages")) == 4


async def test_a_message_waits_until_its_customer_is_known(notifications: Notifications, mail_server: MailServer) -> None:
    await notifications.hear(heard(promised()))
    assert await notifications.send() == 0
    await notifications.hear(heard(placed()))
    assert await notifications.send() == 0
    await notifications.hear(heard(contact()))
    await notifications.send_all()
    assert mail_server.subjects == ["Your order VCMR-R6G1"]


async def test_a_cancelled_order_is_told_in_the_customers_language(notifications: Notifications, mail_server: MailServer) -> None:
    await notifications.hear(heard(placed(language="de")), heard(contact()), heard(Cancelled(ORDER)))
    await notifications.send_all()
    assert mail_server.subjects == ["Ihre Bestellung VCMR-R6G1 ist storniert"]


async def test_what_waits_and_has_lost_its_sense_is_held_back_once_it_is_known_whose_it_is(
    notifications: Notifications, mail_server: MailServer
) -> None:
    await notifications.hear(heard(promised()))
    await notifications.hear(heard(Cancelled(ORDER)))
    assert await notifications.said() == []
    await notifications.hear(*KNOWN)
    await notifications.hear(heard(promised(2, replaces=1)), heard(HandedOver(ORDER)))
    await notifications.send_all()
    assert mail_server.subjects == ["Your order VCMR-R6G1 is cancelled"]
    assert await notifications.states() == [("confirmed", "suppressed", "superseded"), ("cancelled", "sent", None)]
    (name, data), *rest = await notifications.said()
    assert (name, data["intent"], data["reason"], data["customer_id"]) == ("MessageSuppressed", "confirmed", "superseded", str(CUSTOMER))
    assert [name for name, _ in rest] == ["MessageSent"]


async def test_a_message_left_in_sending_is_unknown_and_never_sent_again(notifications: Notifications, mail_server: MailServer) -> None:
    """What a crash between the mail server and the commit leaves behind."""
    await notifications.hear(*KNOWN, heard(promised()))
    await notifications.rows("update messages set state = 'sending', attempt_id = $1, attempts = 1 returning 1", uuid(9))
    await notifications.send_all()
    assert await notifications.states() == [("confirmed", "unknown", "interrupted")]
    assert (mail_server.taken, await notifications.said()) == ([], [])


async def test_a_mail_that_was_taken_while_the_connection_broke_is_unknown_and_not_sent_again(
    notifications: Notifications, mail_server: MailServer
) -> None:
    mail_server.at, mail_server.answers = "data", [""]
    await notifications.hear(*KNOWN, heard(promised()))
    for _ in range(3):
        await notifications.send_all()
        await notifications.due_now()
    assert await notifications.states() == [("confirmed", "unknown", "no-answer")]
    assert len(mail_server.taken) == 1


@pytest.mark.parametrize("at", ["rcpt", "data"])
async def test_a_server_that_says_later_is_tried_again(notifications: Notifications, mail_server: MailServer, at: str) -> None:
    mail_server.at, mail_server.answers = at, ["451 Busy", "452 Full"]
    await notifications.hear(*KNOWN, heard(promised()))
    for attempts in (1, 2):
        await notifications.send_all()
        assert await notifications.rows("select state, reason, attempts from messages") == [("waiting", "temporarily-refused", attempts)]
        await notifications.due_now()
    await notifications.send_all()
    assert await notifications.states() == [("confirmed", "sent", None)]
    assert len(mail_server.taken) == 1


async def test_a_connection_lost_before_the_text_is_tried_again(notifications: Notifications, mail_server: MailServer) -> None:
    mail_server.at, mail_server.answers = "rcpt", [""]
    await notifications.hear(*KNOWN, heard(promised()))
    await notifications.send_all()
    assert await notifications.states() == [("confirmed", "waiting", "connection-lost")]
    await notifications.due_now()
    await notifications.send_all()
    assert len(mail_server.taken) == 1


@pytest.mark.parametrize(("at", "reason"), [("rcpt", "mailbox-unknown"), ("data", "refused")])
async def test_a_permanent_refusal_fails_and_the_next_goes_on(notifications: Notifications, mail_server: MailServer, at: str, reason: str) -> None:
    mail_server.at, mail_server.answers = at, ["550 No"]
    other = placed(uuid(50), customer_id=uuid(51), order_ref="OTHER")
    await notifications.hear(*KNOWN, heard(promised()), heard(other), heard(contact(customer_id=uuid(51))), heard(promised(7, order_id=uuid(50))))
    await notifications.send_all()
    # They go out side by side: which of the two met the refusal, and which was told of first, is chance.
    assert sorted(state for _, state, _ in await notifications.states()) == ["failed", "sent"]
    assert sorted((name, said.get("reason")) for name, said in await notifications.said()) == [("MessageFailed", reason), ("MessageSent", None)]


async def test_a_message_is_given_up_after_enough_tries(notifications: Notifications, mail_server: MailServer) -> None:
    mail_server.at, mail_server.answers = "rcpt", ["450 Later"] * 50
    await notifications.hear(*KNOWN, heard(promised()))
    for _ in range(ATTEMPTS + 2):
        await notifications.send_all()
        await notifications.due_now()
    assert await notifications.rows("select state, attempts from messages") == [("failed", ATTEMPTS)]


async def test_a_later_message_does_not_overtake_one_that_is_tried_again(notifications: Notifications, mail_server: MailServer) -> None:
    mail_server.at, mail_server.answers = "rcpt", ["450 Later"]
    await notifications.hear(*KNOWN, heard(promised()), heard(HandedOver(ORDER)))
    await notifications.send_all()
    assert mail_server.taken == []
    await notifications.due_now()
    await notifications.send_all()
    assert mail_server.subjects == ["Your order VCMR-R6G1", "Your order VCMR-R6G1 is on its way"]


async def test_without_a_mail_server_nothing_is_lost(notifications: Notifications, mail_server: MailServer) -> None:
    await notifications.hear(*KNOWN, heard(promised()))
    port = notifications.settings.smtp_port
    object.__setattr__(notifications.settings, "smtp_port", 1)
    with pytest.raises(UNREACHABLE):
        await notifications.send()
    object.__setattr__(notifications.settings, "smtp_port", port)
    await notifications.send_all()
    assert len(mail_server.taken) == 1


async def _hear_cancels(notifications: Notifications, count: int) -> None:
    """So many orders of as many customers, each with one message to send."""
    for number in range(count):
        order_id, customer_id = uuid(3_000 + number), uuid(4_000 + number)
        await notifications.hear(
            heard(placed(order_id, customer_id=customer_id)), heard(contact(customer_id=customer_id)), heard(Cancelled(order_id))
        )


async def test_a_server_that_takes_fewer_connections_gets_every_mail(notifications: Notifications, mail_server: MailServer) -> None:
    mail_server.most = 2
    await _hear_cancels(notifications, 9)
    assert await notifications.send() == 9
    assert len(mail_server.taken) == 9
    mail_server.most = 0
    await notifications.hear(heard(placed()), heard(contact()), heard(promised()))
    with pytest.raises(UNREACHABLE):
        await notifications.send()
    assert await notifications.states() == [*[("cancelled", "sent", None)] * 9, ("confirmed", "waiting", None)]


@pytest.mark.parametrize(("statement", "arguments", "alias"), [(_WAITING, 0, "earlier"), (_MARK, 9, "m")])
async def test_a_pass_looks_at_none_that_it_does_not_send(notifications: Notifications, statement: str, arguments: int, alias: str) -> None:
    """Planned over an empty table, as a worker's first pass is: whoever waits behind must cost nothing."""
    nothing: list[list[object]] = [[] for _ in range(arguments)]
    plan = [line for (line,) in await notifications.rows(f"explain {statement}", *nothing)]
    scans = [line for line in plan if f" on messages {alias}" in line]
    assert scans, plan
    assert not any("messages_waiting" in line for line in scans), plan


async def test_an_order_without_a_page_waits_for_it(notifications: Notifications, mail_server: MailServer, orders: Orders) -> None:
    orders.knows = False
    await notifications.hear(*KNOWN, heard(promised()))
    await notifications.send_all()
    assert await notifications.states() == [("confirmed", "waiting", "no-link")]
    orders.knows = True
    await notifications.due_now()
    await notifications.send_all()
    assert len(mail_server.taken) == 1


async def test_while_orders_is_away_all_wait_and_none_is_in_doubt(notifications: Notifications, mail_server: MailServer, orders: Orders) -> None:
    await _hear_cancels(notifications, 6)
    orders.breaks = 1
    with pytest.raises(UNREACHABLE):
        await notifications.send()
    assert {state for _, state, _ in await notifications.states()} == {"waiting"}
    await notifications.send_all()
    assert len(mail_server.taken) == 6
    assert len(orders.tokens) == 2  # one request for all of them


async def test_an_order_without_a_link_holds_up_no_other(notifications: Notifications, mail_server: MailServer, orders: Orders) -> None:
    orders.strangers = {uuid(3_000)}
    await _hear_cancels(notifications, 6)
    await notifications.send()
    assert len(mail_server.taken) == 5
    assert sorted((state, reason) for _, state, reason in await notifications.states() if state == "waiting") == [("waiting", "no-link")]


async def test_several_messages_are_marked_and_settled_in_the_order_of_their_ids(notifications: Notifications) -> None:
    """So that none of it can wait for who waits for it: a settlement that a deadlock ends leaves mails in doubt."""
    await _hear_cancels(notifications, 2)
    rows = [_waiting(row) for row in await notifications.database.pool.fetch(_WAITING)]
    first, second = (Attempt(message) for message in sorted(rows, key=lambda message: message.message_id))
    ended = [Ended(each, 1, Settled(State.SENT)) for each in (second, first)]
    for begins, ends in (([second, first], []), ([], ended)):
        async with notifications.database.pool.acquire() as other, other.transaction():
            await other.fetch("select from messages where message_id = $1 for update", first.message.message_id)
            waits = asyncio.create_task(mark(notifications.database, begins, ends))
            await poll_until(lambda: _waits_for_a_lock(notifications), 5)
            await other.fetch("select from messages where message_id = $1 for update nowait", second.message.message_id)
        await waits
    assert [state for _, state, _ in await notifications.states()] == ["sent", "sent"]
    said = [decode_headers(headers) for (headers,) in await notifications.rows("select headers from outbox order by id")]
    versions = [int(dict(headers)["ce_aggregateversion"] or b"0") for headers in said]
    assert len(versions) == 2
    assert versions == sorted(versions), "a customer's versions rise on the topic"


@pytest.mark.parametrize("second_word", ["settled", "suppressed"])
async def test_what_is_said_of_one_customer_by_two_at_once_is_said_in_the_order_of_versions(notifications: Notifications, second_word: str) -> None:
    for order_id in (uuid(3_001), uuid(3_002)):
        await notifications.hear(heard(placed(order_id)), heard(contact()), heard(Cancelled(order_id)))
    first, second = (Attempt(_waiting(row)) for row in await notifications.database.pool.fetch(_WAITING))
    await mark(notifications.database, [first, second] if second_word == "settled" else [first], [])
    async with notifications.database.transaction() as work:
        await _mark(work, [], [Ended(first, 1, Settled(State.SENT))])
        settles = mark(notifications.database, [], [Ended(second, 1, Settled(State.SENT))])
        other = asyncio.ensure_future(settles if second_word == "settled" else notifications.hear(heard(Erased(CUSTOMER), 6)))
        await poll_until(lambda: _waits_for_a_lock(notifications), 5)
    await other
    settles.close()
    said = [decode_headers(headers) for (headers,) in await notifications.rows("select headers from outbox order by id")]
    versions = [int(dict(headers)["ce_aggregateversion"] or b"0") for headers in said]
    assert len(versions) == 2
    assert versions == sorted(versions)


async def _waits_for_a_lock(notifications: Notifications) -> bool:
    waiting = await notifications.rows("select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()")
    return bool(waiting)


async def test_a_pass_that_is_ended_settles_what_is_in_hand_and_takes_no_more(notifications: Notifications, mail_server: MailServer) -> None:
    await _hear_cancels(notifications, 20)
    async with notifications.database.pool.acquire() as other, other.transaction():
        await other.fetch("select from messages for update")
        sending = asyncio.create_task(notifications.send())
        await poll_until(lambda: _waits_for_a_lock(notifications), 5)
        sending.cancel()
    await asyncio.wait({sending})
    assert sending.cancelled()
    in_hand = len(mail_server.taken)
    assert 0 < in_hand < 10
    assert [state for _, state, _ in await notifications.states()].count("sent") == in_hand
    assert {state for _, state, _ in await notifications.states()} == {"sent", "waiting"}
    await notifications.send_all()
    assert len(mail_server.taken) == 20


async def test_a_pass_that_is_ended_while_the_database_fails_ends_all_the_same(notifications: Notifications, mail_server: MailServer) -> None:
    """An error in its place would be taken for one that passes, and the pass begun again, by a worker that leads no more."""
    await _hear_cancels(notifications, 20)
    async with notifications.database.pool.acquire() as other, other.transaction():
        await other.fetch("select from messages for update")
        sending = asyncio.create_task(notifications.send())
        await poll_until(lambda: _waits_for_a_lock(notifications), 5)
        sending.cancel()
        waits = "wait_event_type = 'Lock' and datname = current_database()"
        await other.fetch(f"select pg_terminate_backend(pid) from pg_stat_activity where {waits}")
        await asyncio.wait({sending})
    assert sending.cancelled()


async def test_the_id_of_a_mail_stays_the_same_over_attempts(notifications: Notifications, mail_server: MailServer) -> None:
    await notifications.hear(*KNOWN, heard(promised()))
    await notifications.send_all()
    ((message_id,),) = await notifications.rows("select message_id from messages")
    assert mail_server.taken[0]["Message-ID"] == f"<{message_id}@brookmill.example>"
    assert mail_server.taken[0]["Date"].datetime == NOW


async def test_orders_is_asked_as_one_of_our_own_services(notifications: Notifications, orders: Orders) -> None:
    await notifications.hear(*KNOWN, heard(promised()))
    await notifications.send_all()
    import jwt

    _, key = tokens.signing_key(notifications.settings.var / "keys")
    claims = jwt.decode(orders.tokens[0].removeprefix("Bearer "), key.public_key(), algorithms=["EdDSA"], audience="kept")
    assert (claims["role"], claims["sub"]) == ("service", "notifications")


BAD_ADDRESSES = (
    "no address", "ada@", "a@b@c", "ada\r\nBcc: eve@example.com", "ada@exa mple.com", "ada@example.com>", "ädä@example.com", "ada@x\u2028y.com",
)  # fmt: skip


async def test_an_address_that_is_none_fails_and_reaches_nobody(notifications: Notifications, mail_server: MailServer) -> None:
    for number, email in enumerate(BAD_ADDRESSES):
        order_id, customer_id = uuid(3_000 + number), uuid(4_000 + number)
        await notifications.hear(heard(placed(order_id, customer_id=customer_id)), heard(contact(email=email, customer_id=customer_id)))
        await notifications.hear(heard(Cancelled(order_id)))
    await notifications.send_all()
    assert await notifications.states() == [("cancelled", "failed", "address-refused")] * len(BAD_ADDRESSES)
    assert mail_server.taken == []


async def test_a_name_that_breaks_lines_stays_in_its_line(notifications: Notifications, mail_server: MailServer) -> None:
    await notifications.hear(heard(placed()), heard(contact(name="Ada\r\nBcc: eve@example.com\u2028<script>")), heard(promised()))
    await notifications.send_all()
    (mail,) = mail_server.taken
    assert (mail["Bcc"], mail_server.recipients) == (None, ["ada@example.com"])
    assert "Hello Ada Bcc: eve@example.com <script>," in body_of(mail, "plain")
    assert "<script>" not in body_of(mail, "html")


async def test_an_erased_customer_is_written_to_no_more_and_an_old_event_brings_nothing_back(
    notifications: Notifications, mail_server: MailServer
) -> None:
    await notifications.hear(heard(placed()), heard(contact(), 5), heard(promised()), heard(Erased(CUSTOMER), 6))
    await notifications.hear(heard(contact(email="old@example.com"), 5), heard(HandedOver(ORDER)))
    await notifications.send_all()
    assert mail_server.taken == []
    assert await notifications.rows("select version, email, name, language, zone from contacts_view") == [(6, None, None, None, None)]
    (name, data), *rest = await notifications.said()
    assert (name, data["reason"], rest) == ("MessageSuppressed", "erased", [])
    assert [state for _, state, _ in await notifications.states()] == ["suppressed", "waiting"]


async def test_a_contact_is_not_replaced_by_an_older_one(notifications: Notifications, mail_server: MailServer) -> None:
    await notifications.hear(heard(placed()), heard(contact(email="new@example.com"), 2), heard(contact(email="old@example.com"), 1))
    await notifications.hear(heard(promised()))
    await notifications.send_all()
    assert mail_server.recipients == ["new@example.com"]


async def test_where_another_signs_orders_is_asked_with_the_token_of_the_file_as_it_stands(
    notifications: Notifications, orders: Orders, tmp_path: Path
) -> None:
    given = tmp_path / "token"
    notifications.settings.service_token_file = given
    await notifications.hear(*KNOWN, *life()[:1])
    with pytest.raises(UNREACHABLE):
        await notifications.send()
    given.write_text("first\n")
    await notifications.send()
    await notifications.hear(*life()[1:2])
    given.write_text("second\n")
    await notifications.send()
    assert orders.tokens == ["Bearer first", "Bearer second"]
    assert not (tmp_path / "keys").exists()
