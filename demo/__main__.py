"""`make demo`: one real day of a retailer, from the shop's events to the door, on a stack of its own; then the books are compared.

Exits with 1 unless everything reconciles. With `--keep` the stack stays up for looking around.
"""

import argparse
import sys
import time
from pathlib import Path

from demo import day, report
from demo.run import live_the_day
from demo.standing import on_a_stack

VAR = Path("var")


def main() -> int:
    arguments = _parse()
    started = time.monotonic()
    figures = on_a_stack(VAR / "demo", day.local(22, "06:00"), live_the_day, keep=arguments.keep)
    if figures is None:
        return 1
    report.show(figures, seconds=time.monotonic() - started, kept=arguments.keep)
    report.write(figures, VAR / "demo.json")
    return 0 if figures["reconciled"] else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description="One real day of a retailer, from the shop's events to the door.")
    parser.add_argument("--keep", action="store_true", help="leave the stack running; `make down VAR=var/demo` stops it")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
