"""Hashes over buckets of promises: the same promises give the same root, however they were put; whatever differs is found."""

from random import Random
from uuid import UUID

from services.kit.promise.agreement import BUCKETS, IN_GROUP, Buckets, Held, bucket_of, differing
from tests.support.held import hashed


def _some(count: int, seed: int = 1) -> list[Held]:
    chance = Random(seed)
    return [Held(UUID(int=chance.getrandbits(128)), chance.randint(1, 9), chance.randbytes(32)) for _ in range(count)]


def _whole(held: list[Held]) -> Buckets:
    buckets = Buckets()
    buckets.put(range(BUCKETS), hashed(held))
    return buckets


def test_in_whatever_order_and_pieces_the_root_is_the_same() -> None:
    held = _some(2000)
    pieces = Buckets()
    for start in range(0, BUCKETS, 4096):
        some = range(start, start + 4096)
        pieces.put(some, hashed(each for each in reversed(held) if bucket_of(each.promise_id) in some))
    assert pieces.root() == _whole(held).root()
    assert pieces.count == 2000


def test_one_that_differs_in_anything_is_found_by_group_and_bucket() -> None:
    held = _some(2000)
    whole, one = _whole(held), held[700]
    for other in (one._replace(seq=one.seq + 1), one._replace(state_digest=bytes(32)), None):
        changed = _whole([each for each in held if each is not one] + ([other] if other else []))
        assert changed.root() != whole.root()
        (group,) = differing(changed.groups(), whole.groups())
        assert differing(changed.of_group(group), whole.of_group(group)) == [bucket_of(one.promise_id)]
        assert group == bucket_of(one.promise_id) // IN_GROUP


def test_two_that_change_places_are_not_the_same() -> None:
    first, second = _some(2)
    swapped = [first._replace(state_digest=second.state_digest), second._replace(state_digest=first.state_digest)]
    assert _whole(swapped).root() != _whole([first, second]).root()


def test_a_bucket_that_is_empty_again_leaves_nothing_behind() -> None:
    held = _some(50)
    buckets = _whole(held)
    before = buckets.copy()
    buckets.put([bucket_of(held[0].promise_id)], [])
    assert buckets.root() == _whole([each for each in held if bucket_of(each.promise_id) != bucket_of(held[0].promise_id)]).root()
    assert before.root() == _whole(held).root() != buckets.root()
    assert _whole([]).root() == Buckets().root()
