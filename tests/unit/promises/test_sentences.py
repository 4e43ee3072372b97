"""The sentences: every template in every language, one line, short enough to be shown anywhere."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from services.promises.dates.domain import answer_by
from services.promises.domain import Service
from services.promises.quoting.domain import CannotPromise, make_quote
from services.promises.sentences import LANGUAGES, Sentences
from tests.unit.promises.quoting_cases import SUNDAY, air, ask, basis, ground

TEMPLATES = Path(__file__).parents[3] / "services" / "promises" / "templates"
SAID = Sentences()


def test_every_sentence_is_there_in_every_language() -> None:
    names = {path.stem.split(".")[0] for path in TEMPLATES.glob("*.txt")}
    assert {f"{name}.{language}.txt" for name in names for language in LANGUAGES} == {path.name for path in TEMPLATES.glob("*")}


@pytest.mark.parametrize(
    ("service", "language", "delayed", "words"),
    [
        (Service.STANDARD, "en", False, "Your order will be at your door by Thursday 26 November."),
        (Service.STANDARD, "de", False, "Ihre Bestellung ist bis Donnerstag, 26. November, bei Ihnen."),
        (Service.STANDARD, "en", True, "Your order is later than we said, and we are sorry; it will be at your door by Thursday 26 November."),
        (Service.STANDARD, "de", True,
         "Ihre Bestellung kommt später als zugesagt, das tut uns leid; sie ist bis Donnerstag, 26. November, bei Ihnen."),
        (Service.OVERNIGHT, "en", False, "Your order will be at your door by 08:00 on Sunday 22 November."),
        (Service.OVERNIGHT, "de", False, "Ihre Bestellung ist bis 08:00 Uhr am Sonntag, 22. November, bei Ihnen."),
        (Service.STANDARD, "xx", False, "Your order will be at your door by Thursday 26 November."),
    ],
)  # fmt: skip
def test_a_promise_says_its_day_as_its_customer_speaks(service: Service, language: str, delayed: bool, words: str) -> None:
    wording = SAID.promise(make_quote(ask(service), basis(ground(), air())), language, delayed=delayed)
    assert wording.text == words
    assert wording.language == (language if language in LANGUAGES else "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_refusal_says_when_we_say_more(language: str) -> None:
    by = answer_by(SUNDAY, "America/New_York")
    for asked, given in ((ask(chosen_on=date(2026, 11, 24)), basis(ground())), (ask(), basis()), (ask(chosen_on=date(2026, 11, 24)), basis())):
        with pytest.raises(CannotPromise) as refused:
            make_quote(asked, given)
        sentence = SAID.decline(refused.value, language, by, "America/New_York")
        assert "23" in sentence
        assert ("26" in sentence) == bool(refused.value.instead)
        assert len(sentence) <= 280
        assert "{" not in sentence


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_day_of_a_year_makes_a_sentence_too_long(language: str) -> None:
    for day in range(0, 370, 1):
        for service in (Service.STANDARD, Service.OVERNIGHT):
            quote = make_quote(ask(service), basis(ground(), air(), now=SUNDAY + timedelta(days=day)))
            text = SAID.promise(quote, language, delayed=True).text
            assert len(text) <= 280
            assert text.isprintable()
