"""The demo's mail server: what it acknowledged is on the disk, and can be looked at."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import httpx
import pytest
from aiosmtpd.smtp import SMTP

from demo.mailbox import Mailbox, Taker, app_of, listed
from tests.support.polling import poll_until


def a_mail(subject: str, to: str = "ada@example.com") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"], mail["Message-ID"] = "shop@example.com", to, subject, f"<{len(subject)}@test>"
    mail.set_content("By Thursday.")
    mail.add_alternative("<p>By <script>alert(1)</script> Thursday.</p>", subtype="html")
    return mail


@pytest.fixture
async def smtp(tmp_path: Path) -> AsyncIterator[tuple[Mailbox, int]]:
    mailbox = Mailbox(tmp_path)
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(Taker(mailbox), hostname="mail.test"), "127.0.0.1", 0)
    yield mailbox, server.sockets[0].getsockname()[1]
    server.close()


SHOWN = [(1, "one", "<3@test>"), (2, "two <b>", "<7@test>")]


async def test_a_mail_is_listed_shown_and_kept_for_the_next_start(smtp: tuple[Mailbox, int], tmp_path: Path) -> None:
    mailbox, port = smtp
    for subject in ("one", "two <b>"):
        await aiosmtplib.send(a_mail(subject), hostname="127.0.0.1", port=port)
    for box in (mailbox, Mailbox(tmp_path)):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app_of(box)), base_url="http://mailbox") as client:
            listed = (await client.get("/messages")).json()["messages"]
            assert [(mail["number"], mail["subject"], mail["message_id"]) for mail in listed] == SHOWN
            assert (await client.get("/messages/1")).json()["text"].strip() == "By Thursday."
            page = (await client.get("/")).text
            assert "two &lt;b&gt;" in page
            assert page.index("two &lt;b&gt;") < page.index(">one<")
            assert "By Thursday." in (await client.get("/messages/1/view")).text
            assert (await client.get("/messages/1/html")).headers["content-security-policy"].startswith("default-src 'none'")
            assert (await client.get("/static/tokens.css")).status_code == 200


@pytest.mark.parametrize(
    ("head", "to", "subject"),
    [
        (b"To: a@b.example\r\nSubject: A long\r\n one\r\n", "a@b.example", "A long one"),
        (b"To: =?utf-8?q?=C3=84da?= <a@b.example>\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n", "Äda <a@b.example>", "grüße"),
        (b"Subject: \xff =?no-such?q?x?=\r\n", "", None),
        (b"no header at all", "", ""),
    ],
)
def test_any_mail_is_listed(head: bytes, to: str, subject: str | None) -> None:
    mail = listed(7, head + b"\r\nBy Thursday.\r\n")
    assert (mail.number, mail.to, mail.message_id) == (7, to, "")
    assert subject is None or mail.subject == subject


async def test_a_number_that_no_mail_has_is_not_found(tmp_path: Path) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app_of(Mailbox(tmp_path))), base_url="http://mailbox") as client:
        for number in ("1", "0", "-1", "x", "9" * 3000, "..%2f..%2fetc", "%00"):
            assert (await client.get(f"/messages/{number}")).status_code == 404, number
        assert "None yet" in (await client.get("/")).text


async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    smtp, http = _free_port(), _free_port()
    environment = {**os.environ, "KEPT_VAR": str(tmp_path), "KEPT_SMTP_PORT": str(smtp), "KEPT_MAILBOX_PORT": str(http)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "demo.mailbox", env=environment)
    try:
        await poll_until(lambda: _answers(http), 20)
        await aiosmtplib.send(a_mail("kept"), hostname="127.0.0.1", port=smtp)
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
    assert [mail.subject for mail in Mailbox(tmp_path / "mail").mails] == ["kept"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _answers(port: int) -> bool:
    try:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://127.0.0.1:{port}/messages")).status_code == 200
    except httpx.TransportError:
        return False
