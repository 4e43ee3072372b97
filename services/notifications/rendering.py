"""A message's words: templates in files, filled with what the customer may know, as mail in two parts that say the same.

The first line of a text template is the subject. A template sees the values of `Letter` and nothing else.
"""

import unicodedata
from dataclasses import asdict, dataclass
from datetime import datetime
from email.charset import QP, Charset
from email.header import Header
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr
from pathlib import Path
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.notifications.domain import Intent
from services.notifications.settings import Settings

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_SMTP = compat32.clone(linesep="\r\n")
_UTF_8 = Charset("utf-8")
_UTF_8.body_encoding = QP
_LOCAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~.")


class Unsendable(Exception):
    """The message cannot be put into a mail. `reason` is a stable slug."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Letter:
    """All that a template may say. `words`: the promise's own, verbatim; None before there is one. `answer`: they promise no date yet."""

    name: str
    order_ref: str
    words: str | None
    link: str
    shop: str
    phone: str
    reply_to: str
    answer: bool = False


@dataclass(frozen=True, slots=True)
class Rendered:
    """One message in both forms."""

    subject: str
    text: str
    html: str


def letter(settings: Settings, *, name: str, order_ref: str, words: str | None, path: str, answer: bool = False) -> Letter:
    """`path` is the customer's own page, as orders gave it out. Whatever breaks lines in a name becomes a space."""
    shop = (settings.shop_name, settings.care_phone, settings.care_email)
    return Letter(" ".join(name.split()), order_ref, words, f"{settings.link_base}{path}", *shop, answer)


def render(intent: Intent, language: str, filled: Letter) -> Rendered:
    """The message in a language that we have templates for."""
    values = asdict(filled) | {"language": language}
    name = f"{intent}_answer" if filled.answer else intent.value
    subject, _, text = _TEMPLATES.get_template(f"{name}.{language}.txt").render(values).partition("\n")
    html = _TEMPLATES.get_template(f"{name}.{language}.html").render(values, subject=subject)
    return Rendered(subject, text.strip() + "\n", html.strip() + "\n")


def mail(rendered: Rendered, settings: Settings, *, to: str, message_id: UUID, at: datetime) -> Message:
    """The mail, with an id that is the same in every attempt. Raises Unsendable.

    Of the older classes, which do not parse again each header they are given: that took three quarters of the time a mail takes.
    """
    parts = [MIMEText(rendered.text, "plain", _UTF_8), MIMEText(rendered.html, "html", _UTF_8)]  # type: ignore[arg-type]  # a Charset is documented
    message = MIMEMultipart("alternative", f"kept-{message_id.hex}", parts, policy=_SMTP)
    sender, subject = address(settings.mail_from), _one_line(rendered.subject)
    message["Subject"] = subject if subject.isascii() else Header(subject, "utf-8").encode()
    message["Reply-To"] = _one_line(address(settings.care_email))
    message["To"] = _one_line(address(to))
    message["From"] = formataddr((_one_line(settings.shop_name), sender))
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{message_id}@{sender.partition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    return message


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
