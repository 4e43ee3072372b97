"""`make demo`: one real day of a retailer, from the shop's events to the door, on a stack of its own; then the books are compared.

Exits with 1 unless everything reconciles. With `--keep` the stack stays up for looking around.
"""

import argparse
import asyncio
import os
import shutil
import sys
import time
from pathlib import Path

from demo import day, report
from demo.run import live_the_day
from deploy.local.errors import CannotStart
from deploy.local.stack import configured
from services.kit.clock import FileClockDriver

VAR = Path("var")


def main() -> int:
    arguments = _parse()
    started, folder = time.monotonic(), VAR / "demo"
    stack = configured(folder, servers_only=False)
    stack.down()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    instant = folder.resolve() / "instant"
    clock = FileClockDriver(instant, day.local(22, "06:00"))
    os.environ["KEPT_CLOCK"] = f"file:{instant}"
    try:
        stack = configured(folder, servers_only=False)
        stack.up(attached=not arguments.keep)
        figures = asyncio.run(live_the_day(folder.resolve(), clock))
    except CannotStart as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1
    finally:
        if not arguments.keep:
            stack.down()
    report.show(figures, seconds=time.monotonic() - started, kept=arguments.keep)
    report.write(figures, VAR / "demo.json")
    return 0 if figures["reconciled"] else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description="One real day of a retailer, from the shop's events to the door.")
    parser.add_argument("--keep", action="store_true", help="leave the stack running; `make down VAR=var/demo` stops it")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
