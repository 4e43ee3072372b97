"""A command is done once per key, however often it is sent: the answer is stored in the command's own transaction and given again."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from pydantic import BaseModel
from starlette.responses import Response

from services.kit.database import Database, Transaction
from services.kit.failpoints import ARMED, hit
from services.kit.http.problems import Problem

_KEY = re.compile(r'"([\x21\x23-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})')
_STORED_HEADERS = ("content-type", "location", "etag", "retry-after")
_LOCK = "select pg_try_advisory_xact_lock(hashtextextended($1, 0))"
_SELECT = "select fingerprint, status, headers, body from idempotency_keys where scope = $1 and key = $2"
_INSERT = "insert into idempotency_keys (scope, key, fingerprint, status, headers, body) values ($1, $2, $3, $4, $5, $6)"


def key_of(request: Request) -> str:
    """The Idempotency-Key, bare or in quotes. Raises Problem (400) where it is missing or malformed."""
    match = _KEY.fullmatch(request.headers.get("idempotency-key", ""))
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
    async with database.transaction() as work:
        if not await work.connection.fetchval(_LOCK, f"{scope}\x1f{key}"):
            detail = "The first request with this key is under way: send it again in a moment."
            raise Problem(409, "in-progress", detail, headers={"retry-after": "1"})
        stored = await work.connection.fetchrow(_SELECT, scope, key)
        if stored is None:
            if ARMED:
                hit("command.begun")
            given = await do(work)
            kept = {name: value for name, value in given.headers.items() if name in _STORED_HEADERS}
            await work.connection.execute(_INSERT, scope, key, fingerprint, given.status_code, kept, bytes(given.body))
            if ARMED:
                hit("command.answer_stored")
            return given
    if stored["fingerprint"] != fingerprint:
        raise Problem(422, "key-reused", "This Idempotency-Key was used for another request: send a new one.")
    return Response(stored["body"], stored["status"], {**stored["headers"], "cache-control": "no-store", "idempotency-replayed": "true"})
