"""What the writer has at hand stays within bounds."""

from services.promises.ledger.recent import Recent


def test_what_was_put_longest_ago_goes_first() -> None:
    recent = Recent[str, int](2)
    for number, key in enumerate(("a", "b", "a", "c")):
        recent.put(key, number)
    assert [recent.get(key) for key in ("a", "b", "c")] == [2, None, 3]


def test_what_is_cleared_is_not_there() -> None:
    recent = Recent[str, int](2)
    recent.put("a", 1)
    recent.clear()
    assert recent.get("a") is None
