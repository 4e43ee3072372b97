"""A message's words: templates in files, filled with what the customer may know, as mail in two parts that say the same.

The first line of a text template is the subject. A template sees the values of `Letter` and nothing else.
"""

import unicodedata
from dataclasses import asdict, dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
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
_LOCAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~.")


class Unsendable(Exception):
    """The message cannot be put into a mail. `reason` is a stable slug."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Letter:
    """All that a template may say. `words`: the promise's own, verbatim; None before there is one."""

    name: str
    order_ref: str
    words: str | None
    link: str
    shop: str
    phone: str
    reply_to: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """One message in both forms."""

    subject: str
    text: str
    html: str


def letter(settings: Settings, *, name: str, order_ref: str, words: str | None, path: str) -> Letter:
    """`path` is the customer's own page, as orders gave it out. Whatever breaks lines in a name becomes a space."""
    return Letter(" ".join(name.split()), order_ref, words, f"{settings.link_base}{path}", settings.shop_name, settings.phone, settings.reply_to)


def render(intent: Intent, language: str, filled: Letter) -> Rendered:
    """The message in a language that we have templates for."""
    values = asdict(filled) | {"language": language}
    subject, _, text = _TEMPLATES.get_template(f"{intent}.{language}.txt").render(values).partition("\n")
    html = _TEMPLATES.get_template(f"{intent}.{language}.html").render(values, subject=subject)
    return Rendered(subject, text.strip() + "\n", html.strip() + "\n")


def mail(rendered: Rendered, settings: Settings, *, to: str, message_id: UUID, at: datetime) -> EmailMessage:
    """The mail, with an id that is the same in every attempt. Raises Unsendable."""
    message = EmailMessage(SMTP)
    sender = address(settings.mail_from)
    headers = {"Subject": rendered.subject, "Reply-To": str(address(settings.reply_to)), "To": str(address(to))}
    for name, value in headers.items():
        message[name] = _one_line(value)
    message["From"] = Address(_one_line(settings.shop_name), addr_spec=sender)
    message["Date"] = at
    message["Message-ID"] = f"<{message_id}@{sender.partition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(rendered.text, cte="quoted-printable")
    message.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
    message.set_boundary(f"kept-{message_id.hex}")
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
