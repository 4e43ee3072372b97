"""The application of every service, as its main module wires it, without a server behind it."""

from collections.abc import Callable, Mapping
from pathlib import Path

from fastapi import FastAPI

from services.fulfilment.main import application as fulfilment
from services.kit import tokens
from services.kit.settings import KitSettings
from services.loyalty.main import application as loyalty
from services.notifications.main import application as notifications
from services.notifications.settings import Settings as NotificationsSettings
from services.orders.main import assemble as orders
from services.orders.settings import Settings as OrdersSettings
from services.promises.main import application as promises
from services.promises.settings import Settings as PromisesSettings


def _with_keys(make: Callable[[Path], FastAPI]) -> Callable[[Path], FastAPI]:
    def made(var: Path) -> FastAPI:
        tokens.signing_key(var / "keys")
        return make(var)

    return made


APPLICATIONS: Mapping[str, Callable[[Path], FastAPI]] = {
    "orders": _with_keys(lambda var: orders(OrdersSettings(var=var))),
    "fulfilment": _with_keys(lambda var: fulfilment(KitSettings(var=var))),
    "promises": _with_keys(lambda var: promises(PromisesSettings(var=var))),
    "loyalty": _with_keys(lambda var: loyalty(KitSettings(var=var))),
    "notifications": _with_keys(lambda var: notifications(NotificationsSettings(var=var))),
}
"""By service: its application with the settings of a stack in this folder, whose key is made there."""
