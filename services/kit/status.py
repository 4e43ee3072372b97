"""How a running stack is: what each process says of itself, what waits in outboxes, what was set aside, how far consumers are behind."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from services.kit.settings import KitSettings
from services.kit.topics import lag

_ASK_SECONDS = 2.0
_QUEUES = """select coalesce(extract(epoch from clock_timestamp() - (select min(created_at) from outbox)), 0)::float,
(select count(*) from dead_letters where settled_at is null)"""


@dataclass(frozen=True, slots=True)
class Service:
    """One line of the table. `api` is "ok" or what is wrong with one of them, `worker` the same of all that is no API; numbers are None
    where the servers did not answer."""

    name: str
    api: str
    worker: str
    oldest_outbox_seconds: float | None
    dead_letters: int | None
    lag: int | None

    @property
    def well(self) -> bool:
        """Whether nothing asks for a person."""
        return self.api == self.worker == "ok" and self.dead_letters == 0 and self.lag is not None


def read(stack: Path, settings: KitSettings) -> Iterator[Service]:
    """One row per service of the stack that this file describes. Raises FileNotFoundError where none runs."""
    described: dict[str, Any] = json.loads(stack.read_text())
    services = described["services"]
    with ThreadPoolExecutor(max(1, len(services))) as beside:  # who does not answer is waited for once, not once a service
        yield from beside.map(partial(_service, settings, described.get("ready", {})), services.keys(), services.values())


def _service(settings: KitSettings, ready: dict[str, str], name: str, told: dict[str, Any]) -> Service:
    oldest, dead = _queues(settings.service_database(name), name)
    own = {program: address for program, address in ready.items() if program.startswith(f"{name}-")}
    apis = {address for program, address in own.items() if program.startswith(f"{name}-api")}
    workers = {*own.values()} - apis
    api, worker = _ask_all({told["health"], *apis}), _ask_all({told["worker"]["health"], *workers})
    return Service(name, api, worker, oldest, dead, _behind(settings, name))


def _ask_all(addresses: set[str]) -> str:
    """ "ok" where all are, else what the first of the others says."""
    return next((said for address in sorted(addresses) if (said := _ask(address)) != "ok"), "ok")


def _ask(address: str) -> str:
    try:
        with urllib.request.urlopen(address, timeout=_ASK_SECONDS) as answer:  # noqa: S310  # the stack's own description names it
            return str(answer.read(200).decode(errors="replace").strip())
    except urllib.error.HTTPError as refused:
        return refused.read(200).decode(errors="replace").strip() or f"answers {refused.code}"
    except (OSError, ValueError):
        return "does not answer"


def _queues(url: str, service: str) -> tuple[float | None, int | None]:
    try:
        with psycopg.connect(url, options=f"-c search_path={service}", connect_timeout=2) as connection:
            row = connection.execute(_QUEUES).fetchone()
    except psycopg.Error:
        return None, None
    return row if row else (None, None)


def _behind(settings: KitSettings, service: str) -> int | None:
    from kafka.errors import KafkaError

    try:
        behind = lag(settings.kafka, settings.topic_prefix + service)
    except (KafkaError, OSError):
        return None
    return sum(count for partitions in behind.values() for count in partitions.values())
