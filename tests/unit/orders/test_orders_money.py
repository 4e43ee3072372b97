"""Minor units are the currency's own: a yen has none, a dinar has three places."""

import pytest

from services.orders.speaking import Speaker


@pytest.mark.parametrize(("currency", "shown"), [("GBP", "£12.99"), ("JPY", "¥1,299"), ("KWD", "KWD1.299"), ("USD", "$12.99")])
def test_an_amount_is_shown_with_the_places_of_its_currency(currency: str, shown: str) -> None:
    assert Speaker("en", "Europe/London").money(1299, currency).replace("\xa0", "") == shown
