"""The issuer listens to nothing of others; its worker relays what it says."""

from collections.abc import Sequence
from typing import Any

from services.kit.database import Transaction
from services.kit.stage import Stage
from services.kit.values import Heard


async def handle(work: Transaction, batch: Sequence[Heard[Any]]) -> None:
    raise AssertionError(f"the issuer hears nothing, and was handed {len(batch)} events")


STAGE = Stage(service="issuer", topics=(), hears={}, handle=handle, gather_seconds=0.5)
