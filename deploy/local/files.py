"""Small files of a stack. Those it writes may hold passwords: whole or not at all, and for their owner only."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace the file; a reader sees the old content or the new, also after a kill."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
    beside.rename(path)


def last_line(path: Path) -> str | None:
    """What a log says last; None where it says nothing."""
    lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
    return lines[-1][:300] if lines else None
