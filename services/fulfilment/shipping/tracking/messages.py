"""Carriers' webhooks in the format of standardwebhooks.com: whose they are, and what they say."""

import binascii
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from services.fulfilment.shipping.tracking.domain import Kind, Said
from services.kit.http import Instant, Strict

_MOST_SIGNATURES = 5
_LONGEST_ID = 255


class CarrierEvent(Strict):
    """One event of a carrier about one parcel."""

    event_id: str = Field(min_length=1, max_length=64)
    tracking_number: str = Field(min_length=1, max_length=64)
    kind: Literal["accepted", "in_transit", "out_for_delivery", "delivered", "exception"]
    occurred_at: Instant

    def said(self) -> Said:
        return Said(self.event_id, self.tracking_number, Kind(self.kind), self.occurred_at)


def verified_id(secrets: Sequence[str], headers: Mapping[str, str], body: bytes) -> str | None:
    """The message's id where one of the secrets signed it within 5 minutes of now (the record's clock); None where none did.

    The library raises its own error, ValueError, binascii.Error, UnicodeError or OverflowError for what it cannot read: all of them are no.
    """
    given = {name: headers.get(name, "") for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    if not given["webhook-timestamp"].isdigit() or len(given["webhook-id"]) > _LONGEST_ID:
        return None
    given["webhook-signature"] = " ".join(given["webhook-signature"].split(" ")[:_MOST_SIGNATURES])
    for secret in secrets:
        try:
            Webhook(secret).verify(body, given, json_parse=False)
        except (WebhookVerificationError, ValueError, binascii.Error, OverflowError):
            continue
        return given["webhook-id"]
    return None
