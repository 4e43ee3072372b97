"""`python -m deploy.local up | restart | down | status | lock`: the local stack from the command line."""

import argparse
import errno
import signal
import sys
from pathlib import Path

from deploy.local.errors import CannotStart
from deploy.local.progress import Progress


def main() -> int:
    arguments = _parse()
    progress = Progress()
    for received in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(received, signal.default_int_handler)
    try:
        return _run(arguments)
    except CannotStart as refusal:
        progress.refuse(str(refusal))
    except KeyboardInterrupt:
        progress.refuse("Stopped.")
        return 130
    except OSError as failure:
        if failure.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT):
            raise
        progress.refuse(f"{failure.filename or arguments.var} cannot be written ({failure.strerror}): make room or give another folder with --var.")
    return 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description="Kept on this machine, with real Apache Kafka and PostgreSQL.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start the stack and return when it is ready")
    up.add_argument("--servers-only", action="store_true", help="Kafka and PostgreSQL alone")
    up.add_argument("--foreground", action="store_true", help="stay, and stop everything on Ctrl-C")
    restart = commands.add_parser("restart", help="restart every process of Kept, one at a time, while the others work")
    down = commands.add_parser("down", help="stop the stack")
    status = commands.add_parser("status", help="show what runs; exit code 1 unless all of it does")
    for command in (up, restart, down, status):
        command.add_argument("--var", type=Path, default=Path("var"), help="the stack's folder (default: var)")
    commands.add_parser("lock", help="resolve Kafka's jars anew and write their sums to the lock").set_defaults(var=Path("var"))
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> int:
    from deploy.local import commands

    match arguments.command:
        case "up":
            return commands.up(arguments.var, servers_only=arguments.servers_only, foreground=arguments.foreground)
        case "restart":
            return commands.restart(arguments.var)
        case "down":
            return commands.down(arguments.var)
        case "status":
            return commands.status(arguments.var)
        case _:
            return commands.lock()


if __name__ == "__main__":
    sys.exit(main())
