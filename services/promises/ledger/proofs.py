"""Proofs out of the database: the hashes of entries, and of every eighth level of the tree, are there; what lies between is computed.

A proof needs at most a few tiles, each the 256 hashes below one kept node.
"""

from collections.abc import Callable
from typing import TypeVar

import asyncpg

from services.kit.merkle import KEPT_LEVELS, Subtrees, consistency_proof, inclusion_proof, node_hash, root_at

T = TypeVar("T")

_WIDTH = 1 << KEPT_LEVELS
_LEAVES = "select leaf_hash from ledger_entries where position > $1 and position <= $2 order by position"
_NODES = "select hash from ledger_nodes where level = $1 and number >= $2 and number < $3 order by number"


class Tiles:
    """Those that are known; `missing` are those that were asked for in vain."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, int], list[bytes]] = {}
        self.missing: set[tuple[int, int]] = set()

    def subtree(self, level: int, number: int) -> bytes:
        """The hash of a whole subtree; of a tile that is missing, zeros."""
        kept, above = divmod(level, KEPT_LEVELS)
        first = number << above
        tile = self.known.get((kept, first // _WIDTH))
        if tile is None:
            self.missing.add((kept, first // _WIDTH))
            return bytes(32)
        hashes = tile[first % _WIDTH : first % _WIDTH + (1 << above)]
        while len(hashes) > 1:
            hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
        return hashes[0]


async def included(sql: "asyncpg.Connection[asyncpg.Record]", position: int, size: int) -> list[bytes]:
    """What shows that the entry at this position, from 1, is in the ledger of this size. Raises IndexError where it is not."""
    return await _proven(sql, size, lambda subtrees: inclusion_proof(subtrees, position - 1, size))


async def continued(sql: "asyncpg.Connection[asyncpg.Record]", old: int, size: int) -> list[bytes]:
    """What shows that the ledger of this size begins with its first `old` entries. Raises IndexError where it is shorter than they are."""
    return await _proven(sql, size, lambda subtrees: consistency_proof(subtrees, old, size))


async def root(sql: "asyncpg.Connection[asyncpg.Record]", size: int) -> bytes:
    """The root of the ledger when it had this size."""
    return await _proven(sql, size, lambda subtrees: root_at(subtrees, size))


async def _proven(sql: "asyncpg.Connection[asyncpg.Record]", size: int, prove: Callable[[Subtrees], T]) -> T:
    """Twice: the first time it tells which tiles it needs."""
    tiles = Tiles()
    proof = prove(tiles.subtree)
    if not tiles.missing:
        return proof
    for kept, number in sorted(tiles.missing):
        tiles.known[kept, number] = await _tile(sql, kept, number, size)
    return prove(tiles.subtree)


async def _tile(sql: "asyncpg.Connection[asyncpg.Record]", kept: int, number: int, size: int) -> list[bytes]:
    first = number * _WIDTH
    if kept == 0:
        return [row[0] for row in await sql.fetch(_LEAVES, first, min(first + _WIDTH, size))]
    level = kept * KEPT_LEVELS
    return [row[0] for row in await sql.fetch(_NODES, level, first, min(first + _WIDTH, size >> level))]
