"""The two that a message needs from outside: orders, which makes the customer's link, and the mail server."""

import ssl
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from uuid import UUID

import aiosmtplib
import httpx

from services.kit import tokens
from services.notifications.domain import Settled, State, later, settle
from services.notifications.settings import Settings

UNREACHABLE: tuple[type[Exception], ...] = (OSError, aiosmtplib.SMTPException, httpx.HTTPError)
"""What either raises while it is away."""

_TLS = httpx.create_ssl_context()
"""Made once: it reads every certificate there is."""


async def mint_links(settings: Settings, order_ids: Collection[UUID]) -> dict[UUID, str]:
    """By order the path of a new link to its page, asked of orders as one of our own processes; earlier links stay. An order that is not known
    (yet) is left out. Raises OSError where the token's file cannot be read, httpx.HTTPError while orders is away."""
    if not order_ids:
        return {}
    headers = {"authorization": f"Bearer {tokens.service_token(settings, 'notifications')}"}
    async with httpx.AsyncClient(base_url=settings.orders_url, headers=headers, timeout=10.0, verify=_TLS) as client:
        response = await client.post("/v1/order-links", json={"order_ids": sorted(map(str, order_ids))})
    return {UUID(link["order_id"]): link["url"] for link in response.raise_for_status().json()["links"]}


@cache
def _mail_tls() -> ssl.SSLContext:
    """By the machine's own certificates; made once, as it reads every one of them."""
    return ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class Mailer:
    """One connection to the mail server."""

    client: aiosmtplib.SMTP

    @classmethod
    async def connect(cls, settings: Settings) -> "Mailer":
        """Signed in and ready. Raises OSError or SMTPException; no message is in doubt then."""
        client = aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            timeout=settings.smtp_timeout_seconds,
            start_tls=settings.smtp_starttls,
            tls_context=_mail_tls() if settings.smtp_starttls else None,
            username=settings.smtp_username,
            password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
        )
        await client.connect()
        return cls(client)

    async def send(self, message: bytes, sender: str, recipient: str, attempts: int) -> Settled:
        """What became of it. Up to DATA nothing is in doubt; once the text is on its way only the server's answer tells, and where the
        connection breaks before that answer nobody knows."""
        at_recipient = False
        try:
            await self.client.mail(sender)
            at_recipient = True
            await self.client.rcpt(recipient)
        except aiosmtplib.SMTPResponseException as refusal:
            await self._reset()
            return settle(refusal.code, attempts, at_recipient=at_recipient)
        except (OSError, aiosmtplib.SMTPException):
            return later("connection-lost", attempts)
        try:
            await self.client.data(message)
        except aiosmtplib.SMTPResponseException as refusal:
            if refusal.code < 400:  # not an answer to go by
                return Settled(State.UNKNOWN, "no-answer")
            await self._reset()
            return settle(refusal.code, attempts, at_recipient=False)
        except (OSError, aiosmtplib.SMTPException):
            return Settled(State.UNKNOWN, "no-answer")
        return Settled(State.SENT)

    @property
    def usable(self) -> bool:
        return self.client.is_connected

    async def _reset(self) -> None:
        """Ready for the next message, or disconnected."""
        try:
            await self.client.rset()
        except (OSError, aiosmtplib.SMTPException):
            self.client.close()

    async def close(self) -> None:
        try:
            await self.client.quit()
        except (OSError, aiosmtplib.SMTPException):
            self.client.close()
