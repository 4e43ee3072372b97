"""Where a promise can be read, and how: each place as those who use it see it."""

import html
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from demo.story.stage import Customer, Stage

_TAG, _STYLE = re.compile(r"<[^>]+>"), re.compile(r"<(title|style).*?</\1>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it came: both its parts, and when business time says that it was written."""

    subject: str
    text: str
    html: str

    def lines(self) -> list[str]:
        return [line.strip() for line in self.text.splitlines()]

    def read_lines(self) -> list[str]:
        """What a reader sees of its second part."""
        return [line.strip() for line in html.unescape(_TAG.sub("", _STYLE.sub("", self.html))).splitlines()]

    @property
    def link(self) -> str:
        """The path of the customer's page."""
        found = re.search(r"https?://[^/\s]+(/o/\S+)", self.text)
        return found[1] if found else ""


class _Words(HTMLParser):
    """Collects the text content of every element of the class `words`."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if "words" in (dict(attrs).get("class") or "").split():
            self._inside = tag
            self.found.append("")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = None


async def promise(stage: Stage, promise_id: str) -> dict[str, Any]:
    """As the ledger tells it."""
    told: dict[str, Any] = (await stage.agent.get("promises", f"/v1/promises/{promise_id}")).json()
    return told


async def mails(stage: Stage, customer: Customer) -> list[Mail]:
    """All that came for the customer, the oldest first."""
    mailbox = stage.house.stack["demo"]["mailbox"]
    listed = (await stage.house.http.get(f"{mailbox}/messages")).json()["messages"]
    numbers = sorted(mail["number"] for mail in listed if mail["to"] == customer.email)
    found = [(await stage.house.http.get(f"{mailbox}/messages/{number}")).json() for number in numbers]
    return [Mail(mail["subject"], mail["text"], mail["html"]) for mail in found]


async def mail_with(stage: Stage, customer: Customer, words: str) -> Mail:
    """The first mail that says this sentence on a line of its own."""

    async def look() -> Mail | None:
        return next((mail for mail in await mails(stage, customer) if words in mail.lines()), None)

    return await stage.teller.until(f"a mail to {customer.name} that says: {words}", look)


async def page_words(stage: Stage, link: str) -> list[str]:
    """Every sentence that the customer's page shows as promised."""
    reader = _Words()
    reader.feed((await stage.house.http.get(stage.house.url("orders", link))).text)
    return reader.found


def said_in(words: str, found: list[str]) -> str:
    """The sentence where it is found; all that was found where it is not."""
    return words if words in found else " | ".join(found)


async def everywhere(stage: Stage, customer: Customer, link: str, promise_id: str, lists: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The promise's words, and where else they were read. `lists` are the answers that carry promises, by the name of the place."""
    told = await promise(stage, promise_id)
    words = str(told["customer_text"])
    mail = await mail_with(stage, customer, words)
    read = {
        "the customer's page": said_in(words, await page_words(stage, link)),
        "the mail": said_in(words, mail.lines()),
        "its second part": said_in(words, mail.read_lines()),
    }
    for place, answered in lists.items():
        read[place] = next((each["customer_text"] for each in promised_in(answered) if each["promise_id"] == promise_id), "nothing")
    return words, read


def promised_in(answered: Any) -> list[dict[str, Any]]:
    """All promises in an answer, however deep they stand."""
    if isinstance(answered, dict):
        own = [each for each in answered.get("promised") or () if isinstance(each, dict)]
        return own + [found for value in answered.values() for found in promised_in(value)]
    return [found for each in answered for found in promised_in(each)] if isinstance(answered, list) else []
