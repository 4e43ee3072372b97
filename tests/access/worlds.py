"""For each service an application over a migrated database, and for each of its operations an example that must earn its success."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple

from tests.access import fulfilment, issuer, loyalty, notifications, orders, promises
from tests.access.asking import Asking, Example


class World(NamedTuple):
    """`customer` is who the customer's own things belong to."""

    asking: Asking
    examples: Mapping[str, Example]
    customer: str


Opens = Callable[[str, Path], AbstractAsyncContextManager[tuple[Asking, Mapping[str, Example], str]]]
OPENS: Mapping[str, Opens] = {
    "orders": orders.opened,
    "promises": promises.opened,
    "loyalty": loyalty.opened,
    "notifications": notifications.opened,
    "fulfilment": fulfilment.opened,
    "issuer": issuer.opened,
}
"""By service, given the address of its database and a folder for keys."""
