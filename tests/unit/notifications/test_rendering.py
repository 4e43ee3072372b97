"""How messages read. The letters in `letters/` are what a customer gets: whoever changes a template changes them, by hand, and reads them."""

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from services.kit.promise.state import Due
from services.notifications.domain import LANGUAGES, Intent
from services.notifications.rendering import _TEMPLATES, Beside, Letter, Rendered, Unsendable, address, day_of, due_of, letter, mail, money, render
from services.notifications.settings import Settings
from services.notifications.telling.domain import Telling
from tests.unit.notifications.build import ANSWER_WORDS, NOW, WORDS, uuid

LETTERS = Path(__file__).parent / "letters"
SETTINGS = Settings(public_url="https://kept.example", shop_name="Hearts & Lights")
LETTER = letter(SETTINGS, name="Ada Byron", order_ref="VCMR-R6G1", words=WORDS, path="/o/secret", total="£24.35")
FORBIDDEN = ("carrier", "airline", "overnight", "upgrade", "tracking", "express", "Versanddienst", "Luft", "über Nacht", "Sendungsnummer")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("intent", Intent)
def test_a_message_reads_as_it_always_did(intent: Intent, language: str) -> None:
    rendered = render(intent, language, LETTER)
    assert f"{rendered.subject}\n\n{rendered.text}" == (LETTERS / f"{intent}.{language}.txt").read_text()
    assert rendered.html == (LETTERS / f"{intent}.{language}.html").read_text()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("intent", Intent)
def test_every_message_says_how_to_reach_a_person_and_none_who_carries_it(intent: Intent, language: str) -> None:
    rendered = render(intent, language, LETTER)
    for part in (rendered.text, rendered.html):
        assert all(needed in part for needed in ("https://kept.example/o/secret", SETTINGS.care_phone, SETTINGS.care_email, "VCMR-R6G1"))
        assert not [word for word in FORBIDDEN if word.lower() in part.lower()]


@pytest.mark.parametrize("intent", [Intent.CONFIRMED, Intent.DELAYED, Intent.HANDED_OVER, Intent.AMENDED, Intent.AMENDMENT_UNDONE])
def test_the_words_of_a_promise_stand_verbatim_in_both_parts(intent: Intent) -> None:
    words = "Bis Donnerstag, 26. November – “versprochen”, 100 %."
    rendered = render(intent, "de", replace(LETTER, words=words))
    assert words in rendered.text
    assert words in rendered.html


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("intent", [Intent.CONFIRMED, Intent.DELAYED])
def test_an_answer_reads_as_it_always_did_and_promises_no_day(intent: Intent, language: str) -> None:
    rendered = render(intent, language, replace(LETTER, words=ANSWER_WORDS, answer=True))
    assert f"{rendered.subject}\n\n{rendered.text}" == (LETTERS / f"{intent}_answer.{language}.txt").read_text()
    assert rendered.html == (LETTERS / f"{intent}_answer.{language}.html").read_text()
    for part in (rendered.text, rendered.html):
        assert all(needed in part for needed in (ANSWER_WORDS, SETTINGS.care_phone, SETTINGS.care_email, "VCMR-R6G1"))
        assert not [word for word in ("our promise", "new promise", "versprechen wir", *FORBIDDEN) if word.lower() in part.lower()]


@pytest.mark.parametrize(("currency", "language", "written"), [("GBP", "en", "£24.35"), ("EUR", "de", "24,35\xa0€"), ("JPY", "en", "¥2,435")])
def test_a_total_is_written_as_the_language_writes_it(currency: str, language: str, written: str) -> None:
    assert money(2435, currency, language) == written


def test_a_change_before_any_promise_is_told_without_words() -> None:
    rendered = render(Intent.AMENDED, "en", replace(LETTER, words=None))
    assert "promise" not in rendered.text
    assert "£24.35" in rendered.text


BESIDE = Beside(
    "Thursday 26 November 2026 (Europe/Berlin)", earlier="We call you <soon>.", subject="Your manual", body="It's at <https://x.example>."
)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("intent", Telling)
def test_a_message_about_a_promise_reads_as_it_always_did(intent: Telling, language: str) -> None:
    rendered = render(intent, language, replace(LETTER, beside=BESIDE))
    assert f"{rendered.subject}\n\n{rendered.text}" == (LETTERS / f"{intent}.{language}.txt").read_text()
    assert rendered.html == (LETTERS / f"{intent}.{language}.html").read_text()
    for part in (rendered.text, rendered.html):
        assert all(needed in part for needed in ("https://kept.example/o/secret", SETTINGS.care_phone, SETTINGS.care_email))
        assert not [word for word in FORBIDDEN if word.lower() in part.lower()]


OFFERED = {"en": "Sunday 29 November 2026 (America/New_York)", "de": "Sonntag, 29. November 2026 (America/New_York)"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_warning_that_offers_a_day_reads_as_it_always_did(language: str) -> None:
    rendered = render(Telling.AT_RISK, language, replace(LETTER, beside=replace(BESIDE, late=True, offered=OFFERED[language])))
    assert f"{rendered.subject}\n\n{rendered.text}" == (LETTERS / f"at_risk_offered.{language}.txt").read_text()
    assert rendered.html == (LETTERS / f"at_risk_offered.{language}.html").read_text()
    for part in (rendered.text, rendered.html):
        assert [part.count(said) for said in (OFFERED[language], "as soon as", "Sobald")] == [1, 0, 0]
        assert part.count(SETTINGS.care_phone) == 2, "beside the day, and in the footer"
        assert not [word for word in FORBIDDEN if word.lower() in part.lower()]


@pytest.mark.parametrize(("language", "whole"), [("en", "bring all of it is"), ("de", "wir alles bringen")])
def test_a_warning_that_something_is_missing_offers_a_day_for_all_of_it(language: str, whole: str) -> None:
    rendered = render(Telling.AT_RISK, language, replace(LETTER, beside=replace(BESIDE, offered=OFFERED[language])))
    assert whole in rendered.text
    assert whole in rendered.html


def test_a_day_is_told_as_it_is_where_the_customer_is() -> None:
    at = datetime(2026, 11, 30, 3, tzinfo=UTC)
    assert [day_of(at, "America/New_York", language) for language in LANGUAGES] == [OFFERED[language] for language in LANGUAGES]
    assert day_of(at, "Europe/Berlin", "en") == "Monday 30 November 2026 (Europe/Berlin)"


@pytest.mark.parametrize(
    ("said", "language", "told"),
    [
        ("2026-11-29", "en", "Sunday 29 November 2026 (Europe/Berlin)"),
        ("2026-11-29", "de", "Sonntag, 29. November 2026 (Europe/Berlin)"),
        ("2026-11-29T23:30", "en", "Sunday 29 November 2026, 23:30 (Europe/Berlin)"),
        ("2026-11-29T23:30", "de", "Sonntag, 29. November 2026, 23:30 Uhr (Europe/Berlin)"),
    ],
)
def test_a_promise_is_due_where_it_is_kept(said: str, language: str, told: str) -> None:
    assert due_of(Due(said, "Europe/Berlin", "weekdays-1", "2026.3", datetime(2026, 11, 29, 22, 30, tzinfo=UTC)), language) == told


def test_a_hand_over_without_a_promise_does_not_speak_of_one() -> None:
    rendered = render(Intent.HANDED_OVER, "en", replace(LETTER, words=None))
    assert "promised" not in rendered.text + rendered.html
    assert "None" not in rendered.text + rendered.html


def test_what_a_customer_is_called_cannot_become_markup() -> None:
    rendered = render(Intent.CONFIRMED, "en", replace(LETTER, name="<img src=x>", words="<b>tomorrow</b>"))
    assert "<img" not in rendered.html
    assert "&lt;b&gt;tomorrow&lt;/b&gt;" in rendered.html
    assert "<b>tomorrow</b>" in rendered.text


def test_a_template_that_asks_for_what_is_not_there_breaks_instead_of_leaving_a_hole() -> None:
    with pytest.raises(UndefinedError):
        _TEMPLATES.from_string("{{ carrier_service }}").render(name="Ada")


@pytest.mark.parametrize("name", ["Ada\r\nBcc: x@y.z", "Ada\u2028Byron", "Ada\x85Byron", "  Ada \t Byron "])
def test_a_name_stays_in_one_line(name: str) -> None:
    assert len(letter(SETTINGS, name=name, order_ref="A", words=None, path="/o/x").name.splitlines()) == 1


@pytest.mark.parametrize("subject", ["Your order", "Größe " * 30, "plain and long " * 20, "=?utf-8?q?no?=", ""])
@pytest.mark.parametrize("text", ["Hello\n.\n..\n\nlong " + "x" * 300 + "\nspace at the end \n=20\n", "Grüße – “ja” €\n" * 40, "--kept\n"])
def test_a_mail_is_read_as_it_was_rendered(subject: str, text: str) -> None:
    written = mail(Rendered(subject, text, f"<p>{text}"), SETTINGS, to="ada@example.com", message_id=uuid(1), at=NOW)
    assert written.isascii()
    assert max(map(len, written.split(b"\r\n"))) <= 78
    assert not set(b"\r\n") & set(written.replace(b"\r\n", b""))
    read = message_from_bytes(written, policy=policy.default)
    assert isinstance(read, EmailMessage)
    assert (str(read["Subject"]).strip(), read["Date"].datetime, read["To"], read.defects) == (subject.strip(), NOW, "ada@example.com", [])
    assert str(read["From"]) == "Hearts & Lights <orders@brookmill.example>"
    for kind, expected in (("plain", text), ("html", f"<p>{text}")):
        part = read.get_body((kind,))
        assert part is not None
        assert part.get_content().replace("\r\n", "\n").rstrip("\n") == expected.rstrip("\n")


BREAKS = ["\r\nBcc: eve@example.com", "\n", "\r", "\u2028", "\u2029", "\x85", "\0", "\x0b", "\ud800"]


@pytest.mark.parametrize("breaks", BREAKS)
def test_a_header_that_breaks_lines_is_refused(breaks: str) -> None:
    for rendered, settings in (
        (Rendered(f"Your order{breaks}", "text", "html"), SETTINGS),
        (Rendered("Your order", "text", "html"), SETTINGS.model_copy(update={"shop_name": f"Shop{breaks}"})),
    ):
        with pytest.raises(Unsendable, match="header-refused"):
            mail(rendered, settings, to="ada@example.com", message_id=uuid(1), at=NOW)


@pytest.mark.parametrize("breaks", [*BREAKS, " ", "@", ">", ","])
def test_an_address_that_breaks_lines_is_refused(breaks: str) -> None:
    for text in (f"ada{breaks}@example.com", f"ada@exam{breaks}ple.com", f"ada@example.com{breaks}"):
        with pytest.raises(Unsendable, match="address-refused"):
            address(text)


def test_an_address_of_another_script_goes_out_as_servers_know_it() -> None:
    assert address("Ada+shop@Bücher.example") == "Ada+shop@xn--bcher-kva.example"


def test_the_letter_holds_nothing_of_carriers() -> None:
    assert set(Letter.__dataclass_fields__) == {"name", "order_ref", "words", "link", "shop", "phone", "reply_to", "answer", "beside", "total"}
