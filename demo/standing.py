"""A stack of its own for what is shown on it, with business time in a file that only whoever shows it moves."""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from deploy.local.errors import CannotStart
from deploy.local.stack import configured
from services.kit.clock import FileClockDriver

T = TypeVar("T")


def on_a_stack(folder: Path, start: datetime, live: Callable[[Path, FileClockDriver], Coroutine[Any, Any, T]], *, keep: bool) -> T | None:
    """What came of living it, from this instant on; None, and told why, where the stack cannot start. With `keep` it stays up."""
    stack = configured(folder, servers_only=False)
    stack.down()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    instant = folder.resolve() / "instant"
    clock = FileClockDriver(instant, start)
    os.environ["KEPT_CLOCK"] = f"file:{instant}"
    try:
        stack = configured(folder, servers_only=False)
        stack.up(attached=not keep)
        return asyncio.run(live(folder.resolve(), clock))
    except CannotStart as refusal:
        sys.stderr.write(f"{refusal}\n")
        return None
    finally:
        if not keep:
            stack.down()
