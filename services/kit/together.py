"""Several statements in one round trip: the trip and a statement's own bookkeeping cost more than most statements here do.

All of them see one snapshot, taken when the trip begins, and none sees what another writes. So rows are locked in a trip of their own before what
hangs on them is read, and no row is written by two statements of one trip.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import asyncpg

Connection = "asyncpg.Connection[asyncpg.Record]"
Query = tuple[str, Sequence[object]]
"""A statement and its arguments."""

_PARAMETER = re.compile(r"\$(\d+)")
_columns: dict[str, tuple[str, ...]] = {}


async def fetch_together(connection: "asyncpg.Connection[asyncpg.Record]", *queries: Query) -> list[list[dict[str, Any]]]:
    """The rows of each query, in its order, by column. A query may lock the rows it returns. jsonb columns, and arrays of anything but text, are to
    be read as text or JSON: inside a record a connection knows neither, or only once another statement taught it."""
    for statement, _ in queries:
        if statement not in _columns:
            attributes = (await connection.prepare(statement)).get_attributes()
            unread = [each.name for each in attributes if each.type.name == "jsonb" or (each.type.kind == "array" and each.type.name != "text[]")]
            assert not unread, f"to be read as text or JSON: {', '.join(unread)} of {statement}"
            _columns[statement] = tuple(each.name for each in attributes)
    found = await connection.fetchrow(_reading(_shapes(queries)), *_arguments(queries))
    assert found is not None, "a select without from has one row"
    return [[dict(zip(_columns[query[0]], row, strict=True)) for row in rows] for query, rows in zip(queries, found, strict=True)]


async def execute_together(connection: "asyncpg.Connection[asyncpg.Record]", queries: Sequence[Query]) -> None:
    """Run statements that insert, update or delete."""
    if queries:
        await connection.execute(_writing(_shapes(queries)), *_arguments(queries))


def _shapes(queries: Sequence[Query]) -> tuple[tuple[str, int], ...]:
    return tuple((statement, len(arguments)) for statement, arguments in queries)


def _arguments(queries: Sequence[Query]) -> list[object]:
    return [argument for _, arguments in queries for argument in arguments]


@lru_cache
def _reading(shapes: tuple[tuple[str, int], ...]) -> str:
    return "select " + ", ".join(f"array(select each from ({statement}) each)" for statement in _renumbered(shapes))  # noqa: S608  # our statements


@lru_cache
def _writing(shapes: tuple[tuple[str, int], ...]) -> str:
    *others, last = _renumbered(shapes)
    return ("with " + ", ".join(f"part_{number} as ({statement})" for number, statement in enumerate(others)) + " " if others else "") + last


def _renumbered(shapes: tuple[tuple[str, int], ...]) -> list[str]:
    """The statements with parameters that count on from one to the next."""
    statements, before = [], 0
    for statement, count in shapes:
        statements.append(_PARAMETER.sub(lambda found, before=before: f"${int(found[1]) + before}", statement))  # type: ignore[misc]  # mypy cannot infer a default
        before += count
    return statements
