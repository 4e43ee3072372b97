"""A message's words: templates in files, filled with what the customer may know, as mail in two parts that say the same.

The first line of a text template is the subject. A template sees the values of `Letter` and nothing else.
"""

import unicodedata
from binascii import b2a_qp
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from email.header import Header
from email.utils import format_datetime, formataddr
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from babel import dates
from babel.numbers import format_currency, get_currency_precision
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.kit.promise.state import Due
from services.notifications.domain import Intent
from services.notifications.settings import Settings
from services.notifications.telling.domain import Telling

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ANSWERS = frozenset({Intent.CONFIRMED, Intent.DELAYED})
"""What is worded otherwise where no date could be promised."""
_PLAIN = 66
"""Letters of a subject that fit in one line."""
_DAY = {"en": "EEEE d MMMM y", "de": "EEEE, d. MMMM y"}
_TIME = {"en": "EEEE d MMMM y, HH:mm", "de": "EEEE, d. MMMM y, HH:mm 'Uhr'"}
_LOCAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~.")


class Unsendable(Exception):
    """The message cannot be put into a mail. `reason` is a stable slug."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Beside:
    """What is said of a promise of the ledger beside its words: when it is due, with the zone; the words of the `earlier` one, which may still stand;
    whether it may be `late` or fall short, and the day that is `offered` instead; what a person wrote."""

    due: str
    earlier: str | None = None
    stands: bool = False
    late: bool = False
    subject: str | None = None
    body: str | None = None
    offered: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """All that a template may say. `words`: the promise's own, verbatim; None before there is one. `answer`: they promise no date yet. `link` is
    None without an order; `total` is what an order costs since it was changed."""

    name: str
    order_ref: str | None
    words: str | None
    link: str | None
    shop: str
    phone: str
    reply_to: str
    answer: bool = False
    beside: Beside | None = None
    total: str | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """One message in both forms."""

    subject: str
    text: str
    html: str


def letter(
    settings: Settings, *, name: str, order_ref: str | None, words: str | None, path: str | None, answer: bool = False, beside: Beside | None = None,
    total: str | None = None,
) -> Letter:  # fmt: skip
    """`path` is the customer's own page, as orders gave it out. Whatever breaks lines in a name becomes a space."""
    shop = (settings.shop_name, settings.care_phone, settings.care_email)
    return Letter(" ".join(name.split()), order_ref, words, f"{settings.link_base}{path}" if path else None, *shop, answer, beside, total)


def due_of(due: Due, language: str) -> str:
    """The day or time by which it is due, as it is where it is kept, with the zone."""
    if "T" in due.said:
        local = dates.format_datetime(due.at, _TIME[language], tzinfo=ZoneInfo(due.zone), locale=language)
    else:
        return _day(date.fromisoformat(due.said), due.zone, language)
    return f"{local} ({due.zone})"


def day_of(at: datetime, zone: str, language: str) -> str:
    """The day of this instant as it is in the zone, with the zone."""
    return _day(at.astimezone(ZoneInfo(zone)).date(), zone, language)


def _day(day: date, zone: str, language: str) -> str:
    return f"{dates.format_date(day, _DAY[language], locale=language)} ({zone})"


def money(minor: int, currency: str, language: str) -> str:
    """An amount as it is written in the language."""
    return format_currency(Decimal(minor).scaleb(-get_currency_precision(currency)), currency, locale=language)


def render(intent: Intent | Telling, language: str, filled: Letter) -> Rendered:
    """The message in a language that we have templates for."""
    values = asdict(filled) | {"language": language}
    name = f"{intent}_answer" if filled.answer and intent in _ANSWERS else intent.value
    subject, _, text = _TEMPLATES.get_template(f"{name}.{language}.txt").render(values).partition("\n")
    html = _TEMPLATES.get_template(f"{name}.{language}.html").render(values, subject=subject)
    return Rendered(subject, text.strip() + "\n", html.strip() + "\n")


def mail(rendered: Rendered, settings: Settings, *, to: str, message_id: UUID, at: datetime) -> bytes:
    """The mail as it goes out, with an id that is the same in every attempt. Raises Unsendable.

    Written out, since its form never changes: the library's classes took longer than all else that is done for a mail before it leaves.
    """
    sender, boundary = address(settings.mail_from), f"kept-{message_id.hex}"
    headers = {
        "Subject": _text(_one_line(rendered.subject)),
        "Reply-To": _one_line(address(settings.care_email)),
        "To": _one_line(address(to)),
        "From": formataddr((_one_line(settings.shop_name), sender)),
        "Date": format_datetime(at),
        "Message-ID": f"<{message_id}@{sender.partition('@')[2]}>",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/alternative;\r\n boundary="{boundary}"',
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("ascii")
    parts = b"".join(_part(boundary, kind, text) for kind, text in (("plain", rendered.text), ("html", rendered.html)))
    return head + b"\r\n" + parts + f"--{boundary}--\r\n".encode()


def _text(value: str) -> str:
    """A header's text: as it stands where it is short and plain, else in encoded words."""
    if value.isascii() and len(value) <= _PLAIN and "=?" not in value:
        return value
    return Header(value, "utf-8", header_name="Subject").encode(linesep="\r\n")


def _part(boundary: str, kind: str, text: str) -> bytes:
    head = f'--{boundary}\r\nContent-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    return head.encode() + b2a_qp(text.replace("\r\n", "\n").replace("\n", "\r\n").encode()) + b"\r\n"


def address(text: str) -> str:
    """The address as it stands in an envelope. Raises Unsendable for what is none, or would need a mail server that we cannot count on."""
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain or not set(local) <= _LOCAL or local.startswith(".") or local.endswith(".") or ".." in local:
        raise Unsendable("address-refused")
    try:
        plain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        raise Unsendable("address-refused") from None
    if not all(label and label.replace("-", "").isalnum() for label in plain.split(".")):
        raise Unsendable("address-refused")
    return f"{local}@{plain}"


def _one_line(value: str) -> str:
    """A header must stay one line, whatever a mail client takes for a line's end."""
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in value):
        raise Unsendable("header-refused")
    return value
