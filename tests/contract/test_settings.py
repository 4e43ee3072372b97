"""A setting that several services read means the same in each."""

import importlib
from pathlib import Path

import pytest

from services.kit.settings import KitSettings

ROOT = Path(__file__).parents[2]
_MODULES = sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / "services").rglob("settings.py"))


def _own(name: str) -> dict[str, tuple[object, str | None]]:
    module = importlib.import_module(name)
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, KitSettings) and kind is not KitSettings]
    fields = {name: field for kind in kinds for name, field in kind.model_fields.items() if name not in KitSettings.model_fields}
    return {name: (field.default, field.description) for name, field in fields.items()}


@pytest.mark.parametrize("name", ["shop_name", "care_phone", "care_email"])
def test_what_a_customer_is_told_of_the_shop_is_one_setting(name: str) -> None:
    assert _own("services.orders.settings")[name] == _own("services.notifications.settings")[name]


def test_no_setting_has_two_defaults() -> None:
    seen: dict[str, object] = {}
    for module in _MODULES:
        for name, (default, _) in _own(module).items():
            assert seen.setdefault(name, default) == default, f"{name} in {module}"
