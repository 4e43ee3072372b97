"""Names as people write them, and as they had better not, in a mail."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser

import pytest

from services.notifications.domain import Intent
from services.notifications.rendering import letter, mail, render
from services.notifications.settings import Settings
from tests.bad_input.hostile import NAMES, TEXTS
from tests.unit.notifications.build import NOW, WORDS, uuid

SETTINGS = Settings(public_url="https://kept.example")
CODE = [text for text in TEXTS if text.isascii() and text.isprintable() and any(sign in text for sign in "<{$%'\"&=;") and len(text) < 200]


def _mail(name: str) -> EmailMessage:
    rendered = render(Intent.CONFIRMED, "en", letter(SETTINGS, name=name, order_ref="VCMR-R6G1", words=WORDS, path="/o/secret"))
    read = message_from_bytes(mail(rendered, SETTINGS, to="ada@example.com", message_id=uuid(1), at=NOW), policy=policy.default)
    assert isinstance(read, EmailMessage)
    assert (read.defects, read["To"], str(read["Subject"])) == ([], "ada@example.com", "Your order VCMR-R6G1")
    return read


def _part(read: EmailMessage, kind: str) -> str:
    part = read.get_body((kind,))
    assert part is not None
    return str(part.get_content())


class _Reader(HTMLParser):
    """What a mail program shows, and the tags it was shown with."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.shown, self.tags = "", set[str]()
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.shown += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags |= {tag, *(name for name, _ in attrs)}


@pytest.mark.parametrize("name", [*NAMES, *CODE])
def test_a_name_stands_in_the_mail_as_it_was_written_and_does_nothing(name: str) -> None:
    read, plain = _mail(name), _mail("Ada")
    one_line = " ".join(name.split())
    assert f"Hello {one_line}," in _part(read, "plain")
    shown = _Reader(_part(read, "html"))
    assert f"Hello {one_line}," in shown.shown
    assert shown.tags == _Reader(_part(plain, "html")).tags
