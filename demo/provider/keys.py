"""The keys that the provider grants, written once into the stack's folder for its customer to read."""

import json
import os
import secrets
from pathlib import Path


def keys(path: Path) -> dict[str, str]:
    """`api_key`, and `admin_key` for whoever gives it a bad day; made where there are none yet, readable by the owner alone. May run twice."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(f".{os.getpid()}")
        handle = os.open(half, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump({"api_key": secrets.token_urlsafe(24), "admin_key": secrets.token_urlsafe(24)}, file, indent=2)
        half.rename(path)
    read: dict[str, str] = json.loads(path.read_text())
    return read
