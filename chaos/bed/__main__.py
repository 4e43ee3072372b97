"""`python -m chaos.bed up | down | status --var DIR`: the bed from the command line."""

import argparse
import os
import signal
import sys
from pathlib import Path

from chaos.bed.bed import Bed
from chaos.bed.stack import BedStack
from deploy.local import commands
from deploy.local.errors import CannotStart
from deploy.local.progress import Progress


def main() -> int:
    arguments = _parse()
    progress = Progress()
    for received in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(received, signal.default_int_handler)
    try:
        return _run(arguments, progress)
    except CannotStart as refusal:
        progress.refuse(str(refusal))
    except KeyboardInterrupt:
        progress.refuse("Stopped.")
        return 130
    return 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos.bed", description="Kept on three brokers, with a proxy on every link.")
    parser.add_argument("command", choices=("up", "down", "status"))
    parser.add_argument("--var", type=Path, default=Path("var/bed"), help="the bed's folder (default: var/bed)")
    parser.add_argument("--seed", type=int, default=0, help="of the proxy's random numbers")
    return parser.parse_args()


def _run(arguments: argparse.Namespace, progress: Progress) -> int:
    if arguments.command == "down":
        print("Stopped." if Bed(arguments.var).down() else f"No bed runs in {arguments.var}.")
        return 0
    if arguments.command == "up":
        BedStack(arguments.var.resolve(), dict(os.environ), progress, seed=arguments.seed).up(attached=False)
    return commands.status(arguments.var)


if __name__ == "__main__":
    sys.exit(main())
