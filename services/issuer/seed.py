"""The first badges and the first client of an embedded stack: one badge per role, the shop's channel. Their PINs and the secret are made up here, and
told once, in a file for the stack's owner alone."""

import json
import os
import secrets
from pathlib import Path

from services.issuer.domain import STAFF_ROLES, Staff, Storefront
from services.issuer.hashing import Hashing
from services.issuer.store import Store
from services.kit import tokens
from services.kit.awaiting import until_migrated
from services.kit.clock import clock_from
from services.kit.database import Database
from services.kit.settings import KitSettings
from services.kit.trace import own_cause

_CHANNEL, _SITE = "retail", "SDF1"


async def seed(settings: KitSettings) -> Path:
    """Returns the file. Does nothing where it is there; may run twice."""
    tokens.signing_key(settings.var / "keys")
    file = settings.var / "keys" / "sign-in.json"
    if not file.exists():
        url, clock = settings.service_database("issuer"), clock_from(settings.clock)
        database = await until_migrated(lambda: Database.connect(url, "issuer", clock))
        try:
            _write(file, await _people_and_shop(database))
        finally:
            await database.close()
    return file


async def _people_and_shop(database: Database) -> dict[str, dict[str, str]]:
    pins = {f"{role}-1": f"{secrets.randbelow(10**8):08}" for role in STAFF_ROLES}
    secret, hashing = secrets.token_urlsafe(32), Hashing()
    async with database.transaction() as work:
        store = Store(work, own_cause())
        for role, (badge, pin) in zip(STAFF_ROLES, pins.items(), strict=True):
            await store.put_staff(Staff(badge, f"The first {role}", role, _SITE, True))
            await store.set_pin(badge, await hashing.hash(pin))
        await store.put_storefront(Storefront("shop", _CHANNEL, True))
        await store.set_secret("shop", await hashing.hash(secret))
    return {"pins": pins, "client_secrets": {"shop": secret}}


def _write(file: Path, told: dict[str, dict[str, str]]) -> None:
    beside = file.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as out:
        json.dump(told, out, indent=2)
    beside.rename(file)
