"""A command is done once per key, however often it is sent: the answer is stored in the command's own transaction and given again.

Commands that wait in one process at the same time may be done in one transaction (`Commands`): one commit for all of them, and each still has its own
key, its own answer and its own refusal.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

import asyncpg
import msgspec
from fastapi import Depends, Request
from pydantic import BaseModel
from starlette.responses import Response

from services.kit.database import Database, Transaction
from services.kit.failpoints import ARMED, hit
from services.kit.group_commit import GroupCommit
from services.kit.http.headers import header
from services.kit.http.problems import Problem
from services.kit.values import Refusal

T = TypeVar("T")
Answered = Response | Refusal | Problem
Do = Callable[[Transaction, Sequence[T]], Awaitable[Sequence[Answered]]]
"""What does several commands in one transaction: an answer for each, in order. A refusal among them must leave nothing behind."""

_KEY = re.compile(r'"([\x21\x23-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})')
_STORED_HEADERS = ("content-type", "location", "etag", "retry-after")
_LOCK = "select pg_try_advisory_xact_lock(hashtextextended(name, 0)) from unnest($1::text[]) with ordinality as n (name, place) order by place"
_SELECT = """
select scope, key, fingerprint, status, headers, body
from idempotency_keys join unnest($1::text[], $2::text[]) as k (scope, key) using (scope, key)"""
_INSERT = """
insert into idempotency_keys (scope, key, fingerprint, status, headers, body)
select scope, key, fingerprint, status, headers::jsonb, body
from unnest($1::text[], $2::text[], $3::bytea[], $4::int[], $5::text[], $6::bytea[]) as k (scope, key, fingerprint, status, headers, body)"""


@dataclass(frozen=True, slots=True)
class Command(Generic[T]):
    """One request: the sender's `key`, under the `scope` that keeps senders apart; `fingerprint` tells another command under the same key."""

    scope: str
    key: str
    fingerprint: bytes
    wanted: T


def key_of(request: Request) -> str:
    """The Idempotency-Key, bare or in quotes. Raises Problem (400) where it is missing or malformed."""
    match = _KEY.fullmatch(header(request, b"idempotency-key") or "")
    if match is None:
        raise Problem(400, "idempotency-key", "Send the header Idempotency-Key: 1 to 255 visible ASCII characters, a new one per command.")
    return match[1] or match[2]


async def _key(request: Request) -> str:
    return key_of(request)


IdempotencyKey = Annotated[str, Depends(_key)]
"""The parameter type of a handler that takes the key."""


def fingerprint_of(request: Request, body: BaseModel | None = None) -> bytes:
    """What makes two requests the same command: method, path, and the body as it was understood."""
    told = "\n".join((request.method, request.url.path, body.model_dump_json() if body else ""))
    return hashlib.sha256(told.encode()).digest()


async def once(database: Database, *, scope: str, key: str, fingerprint: bytes, do: Callable[[Transaction], Awaitable[Response]]) -> Response:
    """The answer of `do`, which runs in one transaction with its storing; the stored answer, byte for byte, when the key was used before.

    `scope` keeps callers apart (a key is theirs). A refusal or an error in `do` leaves no trace, and the key is free again. Raises Problem:
    422 where the key stands for another command, 409 while the first one is under way.
    """

    async def alone(work: Transaction, _: Sequence[None]) -> list[Response]:
        return [await do(work)]

    return _given(*await _settle(database, [Command(scope, key, fingerprint, None)], alone))


class Commands(Generic[T]):
    """Does commands of one kind, and takes those that wait while a commit is under way into the next one."""

    def __init__(self, database: Database, do: Do[T]) -> None:
        self._database, self._do = database, do
        self._group: GroupCommit[Command[T], Answered | Exception | None] = GroupCommit(self._together)

    async def once(self, command: Command[T]) -> Response:
        """As `once`, whoever else is in the same transaction. A second command under a key whose first is in the same transaction is answered 409;
        one that comes while the first is committed gets the stored answer. Who hangs up changes nothing: the command is done."""
        answered = await self._group.ask(command)
        if answered is None:
            (answered,) = await _settle(self._database, [command], self._do)
        return _given(answered)

    async def _together(self, commands: Sequence[Command[T]]) -> Sequence[Answered | Exception | None]:
        """None for each of several that failed together. Each is then done alone, side by side, since looking for the culprit by halves would let
        everybody wait for a lock that only one of them cannot get."""
        try:
            return await _settle(self._database, commands, self._do)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer of the one who caused it, and of nobody else
            return [error] if len(commands) == 1 else [None] * len(commands)


async def _settle(database: Database, commands: Sequence[Command[T]], do: Do[T]) -> list[Answered]:
    """What each is answered, all of it in one transaction. Raises what `do` or the database raises, with nothing done."""
    async with database.transaction() as work:
        known = await _known(work, commands)
        fresh = [command for command, answered in zip(commands, known, strict=True) if answered is None]
        given: Sequence[Answered] = ()
        if fresh:
            if ARMED:
                hit("command.begun")
            given = await do(work, [command.wanted for command in fresh])
            _store(work, fresh, given)
            if ARMED:
                hit("command.answer_stored")
    rest = iter(given)
    return [answered if answered is not None else next(rest) for answered in known]


async def _known(work: Transaction, commands: Sequence[Command[T]]) -> list[Response | Problem | None]:
    """What is answered without doing it; None for what is to be done, whose key is locked until the transaction ends."""
    names = [f"{command.scope}\x1f{command.key}" for command in commands]
    locked = [row[0] for row in await work.connection.fetch(_LOCK, names)]
    rows = await work.connection.fetch(_SELECT, [command.scope for command in commands], [command.key for command in commands])
    stored = {(row["scope"], row["key"]): row for row in rows}
    first = {name: place for place, name in reversed(list(enumerate(names)))}
    return [
        _replayed(stored.get((command.scope, command.key)), command) if mine and first[name] == place else _in_progress()
        for place, (command, name, mine) in enumerate(zip(commands, names, locked, strict=True))
    ]


def _in_progress() -> Problem:
    return Problem(409, "in-progress", "The first request with this key is under way: send it again in a moment.", headers={"retry-after": "1"})


def _replayed(stored: asyncpg.Record | None, command: Command[T]) -> Response | Problem | None:
    if stored is None:
        return None
    if stored["fingerprint"] != command.fingerprint:
        return Problem(422, "key-reused", "This Idempotency-Key was used for another request: send a new one.")
    return Response(stored["body"], stored["status"], {**stored["headers"], "cache-control": "no-store", "idempotency-replayed": "true"})


def _store(work: Transaction, commands: Sequence[Command[T]], given: Sequence[Answered]) -> None:
    """Keep the answers; a refusal leaves its key free."""
    done = [(command, answered) for command, answered in zip(commands, given, strict=True) if isinstance(answered, Response)]
    rows = [(c.scope, c.key, c.fingerprint, answered.status_code, _kept(answered), bytes(answered.body)) for c, answered in done]
    if rows:
        work.write(_INSERT, *(list(column) for column in zip(*rows, strict=True)))


def _kept(given: Response) -> str:
    return msgspec.json.encode({name: value for name, value in given.headers.items() if name in _STORED_HEADERS}).decode()


def _given(answered: Answered | Exception) -> Response:
    if isinstance(answered, Exception):
        raise answered
    return answered
