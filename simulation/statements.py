"""What the kit's statements do, in the fake database: each function stands for one statement's text, and takes its parameters."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.kit import database, inbox, leader, relay
from simulation.postgres import Session

Statement = Callable[..., Awaitable[list["Row"]]]


class Row:
    """A record: by name, by position, as a sequence of values."""

    def __init__(self, **columns: Any) -> None:
        self._columns = columns

    def __getitem__(self, key: str | int) -> Any:
        return self._columns[key] if isinstance(key, str) else list(self._columns.values())[key]

    def __iter__(self) -> Any:
        return iter(self._columns.values())

    def keys(self) -> Any:
        return self._columns.keys()


_LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
_NOTHING = dict.fromkeys(("topic", "partition", "first_offset", "last_offset", "count", "key", "event_id"))


async def _begin(to: Session, *columns: Sequence[Any]) -> list[Row]:
    begun: list[tuple[str, int, int, int]] = list(zip(*columns, strict=True))
    rows = [
        _row({"topic": key[0], "partition": key[1], "first_offset": key[2], "last_offset": key[3], "count": count})
        for key, count in to.scan("attempts")
        for topic, partition, first, last in begun
        if key[:2] == (topic, partition) and key[2] <= last and key[3] >= first
    ]
    for span in begun:
        await to.lock("attempts", [span])
        await to.put("attempts", span, (to.get("attempts", span) or 0) + 1)
    return rows + [_row(_picked(letter, "topic", "key", "event_id"), letter) for _, letter in to.scan("dead_letters") if _holds_back(letter)]


def _row(told: dict[str, Any], letter: dict[str, Any] | None = None) -> Row:
    failed, retried = (letter["kind"] == "failed", letter["settled_as"] is not None) if letter else (False, False)
    return Row(**_NOTHING | told, failed=failed, retried=retried)


def _holds_back(letter: dict[str, Any]) -> bool:
    going = letter["kind"] in ("failed", "behind") and letter["returned_at"] is None and letter["settled_as"] != "dropped"
    return going and letter["key"] is not None and letter["event_id"] is not None


def _picked(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}


async def _enter(
    to: Session, days: Sequence[Any], ids: Sequence[UUID], topics: Sequence[str], partitions: Sequence[int], reached: Sequence[int]
) -> list[Row]:
    for topic, partition, last in zip(topics, partitions, reached, strict=True):
        for key in [key for key, _ in to.scan("attempts") if key[:2] == (topic, partition) and key[3] <= last]:
            await to.delete("attempts", key)
    entered = [id for id in sorted(ids) if await to.insert("inbox", id, True)]
    return [Row(value=entered if len(entered) < len(ids) else None)]


async def _leave(to: Session, days: Sequence[Any], ids: Sequence[UUID]) -> list[Row]:
    for id in ids:
        await to.delete("inbox", id)
    return []


async def _known(to: Session, days: Sequence[Any], ids: Sequence[UUID]) -> list[Row]:
    return [Row(event_id=id) for id in ids if to.get("inbox", id)]


async def _returned(to: Session, ids: Sequence[UUID]) -> list[Row]:
    for key, letter in list(to.scan("dead_letters")):
        if letter["event_id"] in ids and letter["settled_as"] == "retried" and letter["returned_at"] is None:
            await to.put("dead_letters", key, letter | {"returned_at": True})
    return []


_LETTER = ("id", "topic", "partition", "offset", "key", "type", "event_id", "kind", "reason", "detail", "value", "headers")


async def _insert_dead(to: Session, *columns: Sequence[Any]) -> list[Row]:
    for values in zip(*columns, strict=True):
        letter = dict(zip(_LETTER, values, strict=True)) | {"settled_as": None, "returned_at": None}
        await to.insert("dead_letters", (letter["topic"], letter["partition"], letter["offset"]), letter)
    return []


async def _say(to: Session, *columns: Sequence[Any]) -> list[Row]:
    return await say_rows(to, zip(*columns, strict=True))


async def say_rows(to: Session, rows: Any) -> list[Row]:
    """Into the outbox, as one statement or by COPY."""
    for event_id, topic, key, type, payload, headers in rows:
        number = to.server.draw()
        told = {"event_id": event_id, "topic": topic, "key": key, "type": type, "payload": payload, "headers": headers}
        await to.put("outbox", number, told)
    return []


async def _take(to: Session, limit: int) -> list[Row]:
    taken = sorted(to.scan("outbox"), key=lambda row: row[0])[:limit]
    return [
        Row(id=number, topic=row["topic"], key=row["key"], payload=row["payload"], headers=row["headers"], created_at=_LONG_AGO)
        for number, row in taken
    ]


async def _delete(to: Session, ids: Sequence[int]) -> list[Row]:
    for number in ids:
        await to.delete("outbox", number)
    return []


async def _try_lead(to: Session, service: str) -> list[Row]:
    return [Row(value=to.server.advisory.setdefault(service, to) is to)]


async def _notify(to: Session, channel: str) -> list[Row]:
    for told in list(to.server.listeners.values()):
        told()
    return []


STATEMENTS: dict[str, Statement] = {
    inbox._BEGIN: _begin,
    inbox._ENTER: _enter,
    inbox._LEAVE: _leave,
    inbox._KNOWN: _known,
    inbox._RETURNED: _returned,
    database._INSERT_DEAD: _insert_dead,
    database._SAY_FEW: _say,
    database._NOTIFY: _notify,
    relay._TAKE: _take,
    relay._DELETE: _delete,
    leader._TRY: _try_lead,
}
