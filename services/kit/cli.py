"""The command `kept`: what an operator does by hand, one function per call. Wrong input and servers that are away end in one sentence.

A service that has commands of its own has a file `commands.py`, whose `add` puts them here.
"""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn
from uuid import UUID

import psycopg

from services.kit import catalogue, configuration, dead_letters, migrations, tokens
from services.kit.settings import KitSettings

_SERVICES = Path(__file__).parents[1]


def migrated_services() -> list[str]:
    """The services that have migrations, in the order of the alphabet. One with a file `embedded.py` is for the embedded stack alone."""
    found = {file.parents[1] for file in _SERVICES.glob("*/migrations/[0-9]*.py")}
    return sorted(folder.name for folder in found if _is_embedded() or not (folder / "embedded.py").exists())


def migrate(given: argparse.Namespace, settings: KitSettings) -> int:
    names = [given.service] if given.service else migrated_services()
    logins = {name: url for name in names if (url := settings.given_database(name))}
    migrations.migrate(settings.database.get_secret_value(), names, logins)
    print(f"Up to date: {', '.join(names) or 'no service has migrations'}.")
    return 0


def apply_topics(given: argparse.Namespace, settings: KitSettings) -> int:
    from services.kit import topics

    changes = topics.apply(settings.kafka, settings.topic_prefix)
    print("\n".join(changes) or "Kafka agrees with schemas/topics.toml.")
    return 0


def describe_topics(given: argparse.Namespace, settings: KitSettings) -> int:
    print(catalogue.markdown(), end="")
    return 0


def show_lag(given: argparse.Namespace, settings: KitSettings) -> int:
    from services.kit import topics

    for service in [given.service] if given.service else migrated_services():
        behind = topics.lag(settings.kafka, settings.topic_prefix + service)
        rows = [(topic, sum(partitions.values())) for topic, partitions in behind.items()]
        for topic, count in rows or [("nothing acknowledged yet", 0)]:
            print(f"{service:<16}{topic:<32}{count:>10}")
    return 0


def reset_offsets(given: argparse.Namespace, settings: KitSettings) -> int:
    from services.kit.rewind import rewind

    moves = rewind(settings.kafka, settings.topic_prefix + given.service, settings.topic_prefix + given.topic, given.to, only_say=given.dry_run)
    for each in moves:
        print(f"{given.topic}[{each.partition}]: {each.then} instead of {each.now}, {each.now - each.then} messages again")
    print(
        f"{given.service} {'would read' if given.dry_run else 'reads'} {sum(each.now - each.then for each in moves)} messages again when it starts."
    )
    print("What was applied is passed over: no state changes, nothing is said or sent twice. What was set aside is tried again.")
    return 0


def list_dead_letters(given: argparse.Namespace, settings: KitSettings) -> int:
    count = 0
    for service in [given.service] if given.service else migrated_services():
        for each in dead_letters.list_letters(settings.service_database(service), service, open_only=not given.all, limit=given.limit):
            state = f"  {each.settled_as}" if each.settled_as else ""
            print(f"{service:<14}{each.id}  {each.set_aside_at:%Y-%m-%d %H:%M:%S}Z  {each.kind}: {each.reason}  {each.type or '(no type)'}{state}")
            count += 1
    print(f"{count} dead letter{'s' * (count != 1)}{'' if given.all else ' open'}." if count else "No dead letters: nothing was set aside.")
    return 0


def show_dead_letter(given: argparse.Namespace, settings: KitSettings) -> int:
    letter, content = dead_letters.show(settings.service_database(given.service), given.service, given.id)
    told = {name: str(getattr(letter, name)) for name in letter.__dataclass_fields__}
    if given.message:
        told |= {"headers": {name: _text(value) for name, value in content.headers}, "key": _text(content.key), "value": _text(content.value)}  # type: ignore[dict-item]  # a JSON object holds values of any kind
    print(json.dumps(told, indent=2, ensure_ascii=True))
    return 0


def retry_dead_letters(given: argparse.Namespace, settings: KitSettings) -> int:
    settled = dead_letters.retry(settings.service_database(given.service), given.service, given.ids)
    print(f"{len(settled)} on their way again, with what queued behind them.")
    return 0


def drop_dead_letters(given: argparse.Namespace, settings: KitSettings) -> int:
    settled = dead_letters.drop(settings.service_database(given.service), given.service, given.ids, given.reason)
    print(f"{len(settled)} dropped; the reason is kept with them.")
    return 0


def print_token(given: argparse.Namespace, settings: KitSettings) -> int:
    subject = given.subject or f"{given.role}-1"
    told = {"subject": subject, "channel": given.channel, "site": given.site}
    print(tokens.token(settings.var / "keys", given.role, issuer=settings.token_issuer, audience=settings.token_audience, **told))
    return 0


def print_config(given: argparse.Namespace, settings: KitSettings) -> int:
    if given.markdown:
        print(configuration.markdown(), end="")
        return 0
    for each in configuration.settings():
        print(f"{each.name:<34}{each.value:<44}{each.source:<13}{each.about}")
    return 0


def show_status(given: argparse.Namespace, settings: KitSettings) -> int:
    from services.kit import status

    rows = list(status.read(settings.var / "stack.json", settings))
    print(f"{'service':<16}{'api':<18}{'worker':<18}{'outbox':>9}{'set aside':>11}{'lag':>8}")
    for row in rows:
        oldest, dead, behind = ("?" if each is None else f"{each:.0f}" for each in (row.oldest_outbox_seconds, row.dead_letters, row.lag))
        print(f"{row.name:<16}{row.api:<18}{row.worker:<18}{oldest + ' s':>9}{dead:>11}{behind:>8}")
    return 0 if all(row.well for row in rows) else 1


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="backslashreplace")


def parser() -> argparse.ArgumentParser:
    """Everything that `kept` understands."""
    top = argparse.ArgumentParser(prog="kept", description="Operate Kept.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _command(commands, "migrate", migrate, "bring every schema to its newest revision").add_argument("--service")
    topics = commands.add_parser("topics", help="the topics in Kafka").add_subparsers(required=True, metavar="ACTION")
    _command(topics, "apply", apply_topics, "make Kafka agree with schemas/topics.toml")
    _command(topics, "describe", describe_topics, "every topic and event, as docs/events.md tells them")
    _command(commands, "lag", show_lag, "messages that consumers have not acknowledged").add_argument("--service")
    offsets = commands.add_parser("offsets", help="how far services have read").add_subparsers(required=True, metavar="ACTION")
    reset = _command(offsets, "reset", reset_offsets, "send a service that is stopped back in a topic")
    reset.add_argument("service")
    reset.add_argument("topic")
    reset.add_argument("--to", required=True, help="beginning, an offset, or an instant such as 2026-11-22T06:00:00Z")
    reset.add_argument("--dry-run", action="store_true", help="only say what would happen")
    _dead_letter_commands(commands.add_parser("dead-letters", help="messages that were set aside").add_subparsers(required=True, metavar="ACTION"))
    token = _command(commands, "token", print_token, "a bearer token for the embedded stack")
    token.add_argument("role", choices=tokens.ROLES, metavar="ROLE", help=", ".join(tokens.ROLES))
    for name, about in (("subject", "who it is for: a customer's id, a badge"), ("channel", "the storefront's channel"), ("site", "the warehouse")):
        token.add_argument(f"--{name}", help=about)
    _command(commands, "config", print_config, "every setting, its value and where it came from").add_argument("--markdown", action="store_true")
    _command(commands, "status", show_status, "how the running stack is")
    for file in sorted(_SERVICES.glob("*/commands.py")):
        importlib.import_module(f"services.{file.parent.name}.commands").add(commands)
    return top


def _dead_letter_commands(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    listing = _command(actions, "list", list_dead_letters, "what was set aside, oldest first")
    listing.add_argument("--service")
    listing.add_argument("--all", action="store_true", help="the settled ones as well")
    listing.add_argument("--limit", type=int, default=100)
    show = _command(actions, "show", show_dead_letter, "one letter")
    show.add_argument("id", type=UUID)
    show.add_argument("--message", action="store_true", help="with its message, which may hold personal data")
    retry = _command(actions, "retry", retry_dead_letters, "send messages again, with what queued behind them")
    drop = _command(actions, "drop", drop_dead_letters, "give messages up")
    drop.add_argument("--reason", required=True)
    for each in (retry, drop):
        each.add_argument("ids", type=UUID, nargs="+", metavar="id")
    for each in (show, retry, drop):
        each.add_argument("--service", required=True)


def _command(
    to: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, run: Callable[[argparse.Namespace, KitSettings], int], about: str
) -> argparse.ArgumentParser:
    made = to.add_parser(name, help=about, description=about)
    made.set_defaults(run=run)
    return made


def _stack() -> Path:
    """The description of the embedded stack; not there while none runs."""
    return Path(os.environ.get("KEPT_VAR", "var")) / "stack.json"


def _is_embedded() -> bool:
    return os.environ.get("KEPT_EMBEDDED") == "1" or _stack().exists()


def _take_addresses_from_the_running_stack() -> None:
    """Where the environment names no servers, those of the stack in KEPT_VAR are meant."""
    if _stack().exists():
        described = json.loads(_stack().read_text())
        os.environ.setdefault("KAFKA_BOOTSTRAP_SERVERS", described["kafka"])
        os.environ.setdefault("DATABASE_URL", described["database"])


def run(arguments: Sequence[str]) -> int:
    """The exit code of `kept` with these arguments: 1 with one sentence on standard error where something is wrong."""
    given = parser().parse_args(arguments)
    from kafka.errors import KafkaError

    from services.kit.rewind import GroupIsActive
    from services.kit.topics import CannotShrink

    try:
        _take_addresses_from_the_running_stack()
        code: int = given.run(given, KitSettings())
    except FileExistsError as there:
        return _fail(f"{there.filename} is there already: name another file.")
    except FileNotFoundError as missing:
        return _fail(f"{missing.filename} is not there: start a stack with `make up`.")
    except KeyError as unknown:
        return _fail(f"there is no dead letter {unknown.args[0]}: `kept dead-letters list --all` names them.")
    except (psycopg.OperationalError, KafkaError) as away:
        return _fail(f"a server does not answer ({str(away).splitlines()[0]}): start a stack with `make up`, or name yours in the environment.")
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return _fail("the schema is not there: run `kept migrate` first.")
    except (dead_letters.NothingToSettle, GroupIsActive, CannotShrink, PermissionError, ValueError) as refused:
        return _fail(str(refused).replace("\n", " "))
    return code


def _fail(sentence: str) -> int:
    print(f"kept: {sentence}", file=sys.stderr)
    return 1


def main() -> NoReturn:
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
