"""What agents gave away on a day: differences that are summed, a budget that stops nobody, and what went beyond it."""

from datetime import UTC, datetime

import pytest

from services.promises.ledger.domain.goodwill import Given, Grant, given
from tests.unit.fulfilment.build import uuid

BUDGETS = {"EUR": 1000}
AT = datetime(2026, 11, 24, 9, tzinfo=UTC)


def grant(number: int, amount: int, agent: str = "ann", currency: str = "EUR") -> Grant:
    return Grant(uuid(number), agent, currency, amount, AT)


CASES = {
    "nothing": ([], []),
    "within": ([grant(1, 400), grant(2, 600)], [Given("ann", "EUR", 1000, 1000, 0, ())]),
    "beyond": ([grant(1, 700), grant(2, 301)], [Given("ann", "EUR", 1000, 1001, 0, (uuid(2),))]),
    "each has their own": ([grant(1, 900), grant(2, 900, "bob")], [Given("ann", "EUR", 1000, 900, 100, ()), Given("bob", "EUR", 1000, 900, 100, ())]),
    "taken back": ([grant(1, 700), grant(1, -700), grant(2, 800)], [Given("ann", "EUR", 1000, 800, 200, ())]),
    "what went beyond was taken back": ([grant(1, 900), grant(2, 200), grant(2, -200)], [Given("ann", "EUR", 1000, 900, 100, ())]),
    "no budget in that currency": ([grant(1, 5, currency="JPY")], [Given("ann", "JPY", 0, 5, 0, (uuid(1),))]),
}


@pytest.mark.parametrize("name", CASES)
def test_given(name: str) -> None:
    grants, expected = CASES[name]
    assert given(grants, BUDGETS) == expected
