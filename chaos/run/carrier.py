"""The carrier's voice at the bed: webhooks, signed, sent until they are taken, and some of them once more after that."""

import asyncio
import json

import httpx
from standardwebhooks.webhooks import Webhook

from chaos.run.client import Client, now
from demo.carrier.accounts import accounts
from services.kit.clock import record_now
from services.kit.ids import uuid7

_TRIES, _PAUSE_SECONDS = 40, 0.5


class Carrier:
    """Both carriers of the demo. What a parcel's label does not say is taken from the accounts that they granted."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._accounts = accounts(client.house.var / "keys" / "carriers.json")["accounts"]

    async def tell(self, carrier: str, tracking_number: str, kind: str) -> None:
        """One thing that happened to a parcel; every other one is told twice."""
        body = json.dumps({"event_id": str(uuid7()), "tracking_number": tracking_number, "kind": kind, "occurred_at": now()})
        id, repeats = f"msg_{uuid7()}", self._client.rng.randint(1, 2)
        for _ in range(_TRIES):
            if await self._taken(carrier, id, body):
                repeats -= 1
            if not repeats:
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _taken(self, carrier: str, id: str, body: str) -> bool:
        number = self._client.journal.before("webhook", "http", id, json.loads(body))
        at, house = record_now(), self._client.house
        headers = {
            "content-type": "application/json", "webhook-id": id, "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(self._accounts[carrier]["webhook_secrets"][0]).sign(id, at, body),
        }  # fmt: skip
        try:
            answer = await house.http.post(house.url("fulfilment", f"/v1/webhooks/carriers/{carrier}"), content=body, headers=headers)
        except httpx.HTTPError:
            return False
        if answer.is_success:
            self._client.journal.after(number, "ok", answer.status_code, answer.json())
        return answer.is_success
