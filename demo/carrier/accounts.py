"""The accounts that the carrier grants, written once into the stack's folder for its customer to read."""

import base64
import json
import os
import secrets
from pathlib import Path
from typing import Any

CARRIERS = ("ground", "airline")


def accounts(path: Path) -> dict[str, Any]:
    """`admin_key`, and per carrier `api_key` and `webhook_secrets`; made where there are none yet, readable by the owner alone. May run twice."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        granted = {carrier: {"api_key": secrets.token_urlsafe(24), "webhook_secrets": [_webhook_secret()]} for carrier in CARRIERS}
        half = path.with_suffix(f".{os.getpid()}")
        handle = os.open(half, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump({"admin_key": secrets.token_urlsafe(24), "accounts": granted}, file, indent=2)
        half.rename(path)
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def _webhook_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
