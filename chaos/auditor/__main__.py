"""`python -m chaos.auditor open-slot | collect | check | close-slot`: the auditor from the command line. The database's address is DATABASE_URL."""

import argparse
import json
import os
import sys
from pathlib import Path

from chaos.auditor.audit import audit, figures, lines
from chaos.auditor.collect import Sources, collect
from chaos.auditor.evidence import Incomplete
from chaos.auditor.slot import close_slot, open_slot


def main() -> int:
    given = _parse()
    match given.command:
        case "open-slot":
            open_slot(_database(), given.folder)
        case "close-slot":
            close_slot(_database())
        case "collect":
            told = (given.journal, given.timeline, given.mails, given.prefix, given.payments)
            collect(Sources(given.bootstrap, _database(), *told), given.folder)
        case _:
            return _check(given.folder, given.figures)
    return 0


def _check(folder: Path, into: Path | None) -> int:
    """0 without a violation, 1 with any, 2 where the folder is no evidence."""
    try:
        audited = audit(folder)
    except Incomplete as reason:
        print(reason, file=sys.stderr)
        return 2
    print("\n".join(lines(audited)))
    if into is not None:
        into.write_text(json.dumps(figures(audited), indent=2) + "\n")
    return 1 if audited.violations else 0


def _database() -> str:
    address = os.environ.get("DATABASE_URL")
    if not address:
        raise SystemExit("Set DATABASE_URL to the administrator's address of the database.")
    return address


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos.auditor", description="The independent judge of fault runs.")
    commands = parser.add_subparsers(dest="command", required=True)
    opening = commands.add_parser("open-slot", help="before the load: let PostgreSQL keep what is committed together")
    saving = commands.add_parser("collect", help="after quiet: save the evidence of a running stack")
    checking = commands.add_parser("check", help="say which invariants an evidence folder violates; exit code 1 when any")
    commands.add_parser("close-slot", help="let PostgreSQL forget")
    for command in (opening, saving, checking):
        command.add_argument("folder", type=Path, help="the evidence folder")
    saving.add_argument("--bootstrap", default=os.environ.get("KAFKA_BOOTSTRAP_SERVERS", ""), help="Kafka (default: KAFKA_BOOTSTRAP_SERVERS)")
    saving.add_argument("--prefix", default=os.environ.get("KEPT_TOPIC_PREFIX", ""), help="the stack's topic prefix")
    saving.add_argument("--journal", type=Path, required=True, help="the load client's journal")
    saving.add_argument("--timeline", type=Path, help="the faults")
    saving.add_argument("--mails", type=Path, help="the folder in which the mail server keeps what it took")
    saving.add_argument("--payments", type=Path, help="the payment provider's books")
    checking.add_argument("--figures", type=Path, help="write the run's counts there as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
