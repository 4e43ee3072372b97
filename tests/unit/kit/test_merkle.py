"""The tree over a log: the published roots of Certificate Transparency, and every proof of every size up to 70."""

from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise

import pytest

from services.kit.merkle import EMPTY_ROOT, Frontier, consistency_proof, inclusion_proof, is_consistent, is_included, leaf_hash, node_hash, root_at

_PUBLISHED_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
_PUBLISHED_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Of the logs of 0 to 8 of these entries. Source: the test vectors of github.com/google/certificate-transparency."""

_LEAVES = [leaf_hash(b"entry %d" % number) for number in range(70)]


def _subtrees(leaves: Sequence[bytes] = _LEAVES) -> dict[tuple[int, int], bytes]:
    """All whole subtrees, by level and index."""
    known, level, row = dict[tuple[int, int], bytes](), 0, list(leaves)
    while row:
        known |= {(level, index): each for index, each in enumerate(row)}
        level, row = level + 1, [node_hash(*pair) for pair in zip(row[::2], row[1::2], strict=False)]
    return known


KNOWN = _subtrees()


def _known(level: int, index: int) -> bytes:
    return KNOWN[level, index]


def _plain_root(leaves: Sequence[bytes]) -> bytes:
    """As the RFC defines it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    middle = next(1 << power for power in range(99, -1, -1) if 1 << power < len(leaves))
    return node_hash(_plain_root(leaves[:middle]), _plain_root(leaves[middle:]))


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_the_published_ones(size: int) -> None:
    frontier, _ = Frontier().grown(leaf_hash(bytes.fromhex(leaf)) for leaf in _PUBLISHED_LEAVES[:size])
    assert frontier.root().hex() == _PUBLISHED_ROOTS[size]


@pytest.mark.parametrize("size", range(71))
def test_a_root_is_the_same_however_the_log_grew(size: int) -> None:
    at_once, _ = Frontier().grown(_LEAVES[:size])
    in_parts = Frontier()
    for start, end in pairwise([0, size // 3, size // 2, size]):
        in_parts, _ = in_parts.grown(_LEAVES[start:end])
    assert at_once == in_parts
    assert at_once.root() == root_at(_known, size) == _plain_root(_LEAVES[:size])


def test_nodes_of_every_eighth_level_are_told_when_they_are_complete() -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range(70_000)]
    frontier, first = Frontier().grown(leaves[:300])
    _, more = frontier.grown(leaves[300:])
    known = _subtrees(leaves)
    assert [node for node in (*first, *more) if known[node.level, node.number] != node.hash] == []
    assert [(node.level, node.number) for node in (*first, *more)] == sorted(
        [(8, index) for index in range(273)] + [(16, 0)], key=lambda node: ((node[1] + 1) << node[0], node[0])
    )
    assert [(node.level, node.number) for node in first] == [(8, 0)]


@pytest.mark.parametrize("size", range(1, 71))
def test_every_entry_is_shown_to_be_in_the_log_and_in_no_other_place(size: int) -> None:
    root = root_at(_known, size)
    for index in range(size):
        proof = inclusion_proof(_known, index, size)
        assert is_included(_LEAVES[index], index, size, proof, root)
        assert not is_included(_LEAVES[index], (index + 1) % size, size, proof, root) or size == 1
        assert not is_included(leaf_hash(b"another"), index, size, proof, root)
        assert not is_included(_LEAVES[index], index, size, [*proof, EMPTY_ROOT], root)
        assert not proof or not is_included(_LEAVES[index], index, size, proof[:-1], root)


@pytest.mark.parametrize("size", range(71))
def test_every_log_is_shown_to_begin_with_every_shorter_one(size: int) -> None:
    root = root_at(_known, size)
    for old in range(size + 1):
        old_root, proof = root_at(_known, old), consistency_proof(_known, old, size)
        assert is_consistent(old, size, old_root, root, proof)
        assert not is_consistent(old, size, leaf_hash(b"another"), root, proof)
        if old:
            assert not is_consistent(old, size, old_root, leaf_hash(b"another"), proof)
        if proof:
            assert not is_consistent(old, size, old_root, root, proof[:-1])
            assert not is_consistent(old, size, old_root, root, [*proof, EMPTY_ROOT])
            assert not is_consistent(old, size, old_root, root, [EMPTY_ROOT, *proof[1:]])


def test_what_lies_beyond_the_log_has_no_proof() -> None:
    for refused in (lambda: inclusion_proof(_known, 5, 5), lambda: inclusion_proof(_known, -1, 5), lambda: consistency_proof(_known, 6, 5)):
        with pytest.raises(IndexError, match="a log of 5 entries"):
            refused()
    assert not is_consistent(6, 5, EMPTY_ROOT, EMPTY_ROOT, [])
    assert not is_included(_LEAVES[0], 1, 1, [], _LEAVES[0])
