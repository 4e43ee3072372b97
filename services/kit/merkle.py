"""The hash tree over a log that only grows: its root, and proofs that an entry is in it and that a longer log begins with a shorter one.

Source: RFC 6962 section 2.1; checking proofs: RFC 9162 sections 2.1.3.2 and 2.1.4.2. Hashes are 32 bytes of SHA-256. Pure: who keeps nodes, and
where, is not its business.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

EMPTY_ROOT = sha256(b"").digest()
KEPT_LEVELS = 8
"""A node is kept at every eighth level: 256 hashes of one such level lead to one hash of the next."""

Subtrees = Callable[[int, int], bytes]
"""The hash of a whole subtree by its level (0: one leaf) and its number on that level."""


class Node(NamedTuple):
    """The hash of a whole subtree of `2 ** level` leaves, `number` of that size before it."""

    level: int
    number: int
    hash: bytes


def leaf_hash(data: bytes) -> bytes:
    """The hash of one entry."""
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees."""
    return sha256(b"\1" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that must be kept of a tree to let it grow: the hashes of its whole subtrees, the largest first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def root(self) -> bytes:
        """The root hash of a log of this size."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def grown(self, leaves: Iterable[bytes]) -> tuple["Frontier", list[Node]]:
        """The tree with these leaf hashes after its last, and the nodes of every eighth level that they completed."""
        size, hashes, completed = self.size, list(self.hashes), list[Node]()
        for leaf in leaves:
            index, level, whole = size, 0, leaf
            while index & 1:
                whole = node_hash(hashes.pop(), whole)
                index >>= 1
                level += 1
                if level % KEPT_LEVELS == 0:
                    completed.append(Node(level, index, whole))
            hashes.append(whole)
            size += 1
        return Frontier(size, tuple(hashes)), completed


def root_at(subtrees: Subtrees, size: int) -> bytes:
    """The root hash of the log's first `size` entries."""
    return _hash(subtrees, 0, size) if size else EMPTY_ROOT


def inclusion_proof(subtrees: Subtrees, index: int, size: int) -> list[bytes]:
    """What shows that the entry with this number, from 0, is in the log of this size. Raises IndexError where it is not."""
    if not 0 <= index < size:
        raise IndexError(f"a log of {size} entries has none with the number {index}")
    proof, start, end = list[bytes](), 0, size
    while end - start > 1:
        middle = start + _largest_power_below(end - start)
        if index < middle:
            proof.append(_hash(subtrees, middle, end))
            end = middle
        else:
            proof.append(_hash(subtrees, start, middle))
            start = middle
    return proof[::-1]


def consistency_proof(subtrees: Subtrees, old: int, size: int) -> list[bytes]:
    """What shows that the log of this size begins with its first `old` entries. Raises IndexError where it is shorter than they are."""
    if not 0 <= old <= size:
        raise IndexError(f"a log of {size} entries does not begin with {old}")
    if old in (0, size):
        return []
    proof, start, end = list[bytes](), 0, size
    while end != old:
        middle = start + _largest_power_below(end - start)
        if old <= middle:
            proof.append(_hash(subtrees, middle, end))
            end = middle
        else:
            proof.append(_hash(subtrees, start, middle))
            start = middle
    if start:
        proof.append(_hash(subtrees, start, end))
    return proof[::-1]


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from this leaf hash to the root."""
    if not 0 <= index < size:
        return False
    at, last, reached = index, size - 1, leaf
    for beside in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            reached = node_hash(beside, reached)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            reached = node_hash(reached, beside)
        at, last = at >> 1, last >> 1
    return last == 0 and reached == root


def is_consistent(old: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the log with `root` begins with the one with `old_root`."""
    if not 0 <= old <= size:
        return False
    if old == size:
        return not proof and old_root == root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    hashes = list(proof) if old & (old - 1) else [old_root, *proof]
    if not hashes:
        return False
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    reached_old = reached = hashes[0]
    for beside in hashes[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            reached_old, reached = node_hash(beside, reached_old), node_hash(beside, reached)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            reached = node_hash(reached, beside)
        at, last = at >> 1, last >> 1
    return last == 0 and reached_old == old_root and reached == root


def _hash(subtrees: Subtrees, start: int, end: int) -> bytes:
    """Over the leaves from `start` to before `end`; `start` is a multiple of every power of two up to their number."""
    size = end - start
    level = size.bit_length() - 1
    if size == 1 << level:
        return subtrees(level, start >> level)
    middle = start + (1 << level)
    return node_hash(subtrees(level, start >> level), _hash(subtrees, middle, end))


def _largest_power_below(size: int) -> int:
    return 1 << (size - 1).bit_length() - 1
