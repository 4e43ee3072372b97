"""Ids in a row, the same in every run."""

from itertools import count
from uuid import UUID

from services.kit.values import NewId

_FIRST = 0x01900000_0000_7000_8000_000000000000
"""A UUIDv7 of 2024-06-08."""


def numbered_ids(start: int = 1) -> NewId:
    """Makes UUIDv7 ids whose last digits count up."""
    numbers = count(start)
    return lambda: UUID(int=_FIRST + next(numbers))
