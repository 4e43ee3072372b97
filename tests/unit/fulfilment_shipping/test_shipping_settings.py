"""Where accounts with carriers come from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.carrier.accounts import accounts
from services.fulfilment.shipping.domain import Phase
from services.fulfilment.shipping.labels.ports import CarrierAway
from services.fulfilment.shipping.settings import account, shipping_settings, webhook_secrets

OWN = '{"ground": {"url": "https://ground.example", "api_key": "k", "webhook_secrets": ["whsec_AAAA", "whsec_BBBB"]}}'


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("KEPT_VAR", str(tmp_path))
    for cached in (shipping_settings, account):
        cached.cache_clear()
    yield
    for cached in (shipping_settings, account):
        cached.cache_clear()


def test_an_account_of_the_settings_goes_before_the_demo_carriers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KEPT_SHIPPING_CARRIERS", OWN)
    monkeypatch.setenv("KEPT_CARRIER_URL", "http://127.0.0.1:1")
    granted = accounts(tmp_path / "keys" / "carriers.json")
    assert webhook_secrets("ground") == ["whsec_AAAA", "whsec_BBBB"]
    assert webhook_secrets("airline") == granted["accounts"]["airline"]["webhook_secrets"]
    assert account("ground") is not account("airline")
    assert "k" not in str(shipping_settings().shipping_carriers["ground"].api_key)


def test_a_carrier_without_an_account_is_away_until_there_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert webhook_secrets("ground") == []
    with pytest.raises(CarrierAway):
        account("ground")
    monkeypatch.setenv("KEPT_CARRIER_URL", "http://127.0.0.1:1")
    shipping_settings.cache_clear()
    with pytest.raises(CarrierAway):
        account("ground")
    accounts(tmp_path / "keys" / "carriers.json")
    assert account("ground") is account("ground")
    with pytest.raises(CarrierAway):
        account("nobody")


def test_the_floors_pace_and_the_docks_are_the_work_that_remains() -> None:
    rates = shipping_settings().rates
    assert [rates.remaining(5, phase).total_seconds() for phase in Phase] == [280, 120, 0]
