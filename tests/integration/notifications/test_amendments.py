"""A change of an order is mailed once: with the new total and the words of the date, or with the sentence why it was undone; never as a delay."""

import asyncio
from itertools import permutations

import pytest

from services.notifications.domain import Amended, Cancelled, Undone
from tests.integration.notifications.conftest import MailServer, Notifications, body_of
from tests.unit.notifications.build import NEW_WORDS, ORDER, WORDS, contact, heard, placed, promised, uuid

KNOWN = (heard(placed()), heard(contact()), heard(promised()))
SAME_DATE = Amended(ORDER, uuid(800), 2435, "GBP", dated=False)
NEW_DATE = Amended(ORDER, uuid(801), 1999, "GBP", dated=True)
PROMISED = promised(2, words=NEW_WORDS, replaces=1, amendment=801)
UNDONE = Undone(ORDER, uuid(802), "Only two are here; <2> can be sent today.")
CONFIRMED, CHANGED, STAYS = "Your order VCMR-R6G1", "Your order VCMR-R6G1 is changed", "Your order VCMR-R6G1 stays as it was"


async def test_a_change_is_told_with_its_total_and_the_words_that_stand(notifications: Notifications, mail_server: MailServer) -> None:
    await notifications.hear(*KNOWN)
    for _ in range(2):
        await notifications.hear(heard(SAME_DATE))
        await notifications.send_all()
    assert mail_server.subjects == [CONFIRMED, CHANGED]
    for kind in ("plain", "html"):
        assert WORDS in body_of(mail_server.taken[-1], kind)
        assert "£24.35" in body_of(mail_server.taken[-1], kind)


@pytest.mark.parametrize("news", list(permutations((NEW_DATE, PROMISED, PROMISED))))
@pytest.mark.parametrize("together", [True, False])
async def test_a_change_of_the_date_is_one_mail_with_the_new_words(
    notifications: Notifications, mail_server: MailServer, news: tuple[Amended, ...], together: bool
) -> None:
    await notifications.hear(*KNOWN)
    await notifications.send_all()
    for batch in [news] if together else [(each,) for each in news]:
        await notifications.hear(*(heard(each) for each in batch))
        await notifications.send_all()
    assert mail_server.subjects == [CONFIRMED, CHANGED]
    assert NEW_WORDS in body_of(mail_server.taken[-1], "plain")
    assert "£19.99" in body_of(mail_server.taken[-1], "plain")


async def test_one_that_was_undone_is_told_with_the_sentence_why(notifications: Notifications, mail_server: MailServer) -> None:
    await notifications.hear(*KNOWN)
    await notifications.hear(heard(UNDONE), heard(UNDONE))
    await notifications.send_all()
    assert mail_server.subjects == [CONFIRMED, STAYS]
    assert UNDONE.words in body_of(mail_server.taken[-1], "plain")
    assert "&lt;2&gt; can be sent today" in body_of(mail_server.taken[-1], "html")


async def test_every_change_is_told_in_turn(notifications: Notifications, mail_server: MailServer) -> None:
    await notifications.hear(*KNOWN)
    for news in (UNDONE, SAME_DATE, Undone(ORDER, uuid(803), "No."), Amended(ORDER, uuid(804), 1, "GBP", dated=False)):
        await asyncio.gather(notifications.hear(heard(news)), notifications.hear(heard(news)))
        await notifications.send_all()
    assert mail_server.subjects == [CONFIRMED, STAYS, CHANGED, STAYS, CHANGED]
    said = [(data["intent"], data["promise_version"]) for _, data in await notifications.said()]
    assert said == [("confirmed", 1), ("amendment_undone", 1), ("amended", 1), ("amendment_undone", 1), ("amended", 1)]


async def test_a_cancel_is_the_last_word(notifications: Notifications, mail_server: MailServer) -> None:
    await notifications.hear(*KNOWN)
    await notifications.hear(heard(SAME_DATE))
    await notifications.hear(heard(Cancelled(ORDER)))
    await notifications.hear(heard(UNDONE))
    await notifications.send_all()
    assert mail_server.subjects == ["Your order VCMR-R6G1 is cancelled"]
