"""`python -m demo.mailbox`: a real mail server that keeps everything and delivers nothing, and a page to look through what came.

Mail is taken on KEPT_SMTP_PORT; each one is on the disk, under KEPT_VAR/mail, before it is acknowledged. KEPT_MAILBOX_PORT shows them.
"""

import asyncio
import os
import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from pathlib import Path

import uvicorn
import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session
from jinja2 import ChoiceLoader, DictLoader, FileSystemLoader
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from services.kit.http.pages import STATIC, CachedFiles, templates
from services.kit.settings import KitSettings

FRAMES = STATIC.parent / "templates"
_SIZE_LIMIT = 1_000_000
_LISTED = ("Message-ID", "Date", "To", "Subject")
_HEADERS = BytesHeaderParser()
_NAME = re.compile(r"^([0-9]{6,})\.eml$")
_PAGE = """{% extends "frame.html" %}
{% block bar %}<header class="bar"><a class="brand" href="/">Mailbox</a><span>Nothing leaves this machine.</span></header>{% endblock %}
{% block main %}<div style="max-width:64rem;margin:0 auto;padding:var(--s-5);display:grid;gap:var(--s-4)">{% block inside %}{% endblock %}</div>
{% endblock %}"""
_LIST = """{% extends "page.html" %}
{% block title %}Mailbox{% endblock %}
{% block inside %}
<h1 style="font-size:var(--t-6)">{{ mails | length }} {{ "mail" if mails | length == 1 else "mails" }}</h1>
{% if mails %}
<table class="table">
<caption>The newest first</caption>
<thead><tr><th scope="col">No.</th><th scope="col">To</th><th scope="col">Subject</th><th scope="col">Date</th></tr></thead>
<tbody>{% for mail in mails %}
<tr><td>{{ mail.number }}</td><td>{{ mail.to }}</td>
<td><a href="/messages/{{ mail.number }}/view">{{ mail.subject }}</a></td><td>{{ mail.date }}</td></tr>
{% endfor %}</tbody>
</table>
{% else %}
<p>None yet: place an order, and its confirmation comes here.</p>
{% endif %}
{% endblock %}"""
_VIEW = """{% extends "page.html" %}
{% block title %}{{ mail.subject }}{% endblock %}
{% block inside %}
<h1 style="font-size:var(--t-6)">{{ mail.subject }}</h1>
<p>To {{ mail.to }}, {{ mail.date }}</p>
<pre style="white-space:pre-wrap;font-family:var(--code)">{{ text }}</pre>
<p><a href="/messages/{{ mail.number }}/html">As it looks in a mail program</a></p>
{% endblock %}"""
_LOOK = templates().overlay()
_LOOK.loader = ChoiceLoader([DictLoader({"page.html": _PAGE, "list.html": _LIST, "view.html": _VIEW}), FileSystemLoader(FRAMES)])


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail's envelope, as it is listed."""

    number: int
    message_id: str
    date: str
    to: str
    subject: str


class Mailbox:
    """A folder of mails, numbered as they came. One process writes to it; what it acknowledged survives a kill."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._mails = [listed(int(name[1]), path.read_bytes()) for path in sorted(folder.iterdir()) if (name := _NAME.match(path.name))]

    @property
    def mails(self) -> list[Mail]:
        return list(self._mails)

    def keep(self, content: bytes) -> Mail:
        """Number the mail, and return once it is on the disk."""
        number = self._mails[-1].number + 1 if self._mails else 1
        path = self._path(number)
        half = path.with_suffix(".part")
        with half.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        half.rename(path)
        _sync(self._folder)
        self._mails.append(listed(number, content))
        return self._mails[-1]

    def content(self, number: int) -> bytes:
        return self._path(number).read_bytes()

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06}.eml"


class Taker:
    """What the mail server does with a mail: keep it, then say so."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd calls it by this name
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        return f"250 Kept as {self._mailbox.keep(content).number}"


def listed(number: int, content: bytes) -> Mail:
    """Plain headers are taken as they stand: to parse them takes longer than everything else that is done with a mail."""
    head = content.partition(b"\r\n\r\n")[0]
    plain = _HEADERS.parsebytes(head)
    message_id, date, to, subject = ("".join(str(plain.get(name, "")).splitlines()) for name in _LISTED)
    if not head.isascii() or b"=?" in head:
        mail = parsed(head)
        message_id, date, to, subject = (str(mail.get(name, "")) for name in _LISTED)
    return Mail(number, message_id, date, to, subject)


def parsed(content: bytes) -> EmailMessage:
    mail = message_from_bytes(content, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def part(mail: EmailMessage, kind: str) -> str:
    """The mail's text in this form, empty where it has none."""
    body = mail.get_body((kind,))
    return str(body.get_content()) if body else ""


def app_of(mailbox: Mailbox) -> Starlette:
    """The pages, and the same as JSON."""

    def found(request: Request) -> tuple[Mail, EmailMessage]:
        for mail in mailbox.mails:
            if str(mail.number) == request.path_params["number"]:
                return mail, parsed(mailbox.content(mail.number))
        raise HTTPException(404, "No mail of this number came.")

    async def index(_: Request) -> Response:
        return HTMLResponse(_LOOK.get_template("list.html").render(mails=mailbox.mails[::-1]))

    async def messages(_: Request) -> Response:
        return JSONResponse({"messages": [_fields(mail) for mail in mailbox.mails]})

    async def message(request: Request) -> Response:
        mail, content = found(request)
        return JSONResponse({**_fields(mail), "text": part(content, "plain"), "html": part(content, "html")})

    async def view(request: Request) -> Response:
        mail, content = found(request)
        return HTMLResponse(_LOOK.get_template("view.html").render(mail=mail, text=part(content, "plain")))

    async def html(request: Request) -> Response:
        return HTMLResponse(part(found(request)[1], "html"), headers={"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"})

    routes = [("/", index), ("/messages", messages), ("/messages/{number}", message), ("/messages/{number}/view", view)]
    shown = [Route(path, endpoint) for path, endpoint in [*routes, ("/messages/{number}/html", html)]]
    return Starlette(routes=[*shown, Mount("/static", CachedFiles(directory=STATIC))])


def _fields(mail: Mail) -> dict[str, object]:
    return {"number": mail.number, "message_id": mail.message_id, "date": mail.date, "to": mail.to, "subject": mail.subject}


def _sync(folder: Path) -> None:
    """A new name in a folder is on the disk once the folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


async def serve(mailbox: Mailbox, host: str, smtp_port: int, http_port: int) -> None:
    """Take mail and show it, until SIGTERM or SIGINT."""
    taker = Taker(mailbox)

    def connection() -> SMTP:
        return SMTP(taker, hostname="mailbox.kept.invalid", data_size_limit=_SIZE_LIMIT, ident="Kept mailbox")

    taking = await asyncio.get_running_loop().create_server(connection, host, smtp_port)
    async with taking:
        await uvicorn.Server(uvicorn.Config(app_of(mailbox), host=host, port=http_port, log_level="warning")).serve()


def main() -> None:
    settings = KitSettings()
    uvloop.run(serve(Mailbox(settings.var / "mail"), settings.bind, settings.port("smtp"), settings.port("mailbox")))


if __name__ == "__main__":
    main()
