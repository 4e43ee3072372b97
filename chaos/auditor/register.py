"""What is public about Kept: which topics there are, what is said on them, and who hears what.

The topics come from `topics.toml` as it was collected. Who hears what stands here by hand: `docs/architecture.md` names the topics, the types are
those that a service cannot do its work without.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SERVICES = ("orders", "fulfilment", "promises", "loyalty", "notifications")

_OWN: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "orders": {
        "storefront.order.v1": ("OrderSubmitted", "PaymentSecured", "OrderCancelRequested"),
        "storefront.item.v1": ("ItemListed",),
        "fulfilment.work.v1": (
            "StockReserved", "StockShort", "PickClaimed", "OrderPacked", "HandedOver", "ParcelDelivered", "CancelAccepted", "CancelRejected",
            "AmendmentPrepared", "AmendmentRefused",
        ),
        "promises.promise.v1": (
            "PromiseMade", "PromiseDeclined", "PromiseKept", "PromiseBroken", "PromiseReleased", "AmendmentDated", "AmendmentNotDated",
        ),
    },
    "fulfilment": {
        "orders.order.v1": (
            "OrderPlaced", "OrderReleased", "CancelRequested", "OrderCancelled", "OrderHeld", "HoldLifted", "AmendmentRequested", "OrderAmended",
            "AmendmentUndone",
        ),
        "orders.customer.v1": ("CustomerSeen",),
        "storefront.item.v1": ("ItemListed",),
        "loyalty.upgrade.v1": ("UpgradeWanted", "UpgradeGranted", "UpgradeDeclined", "UpgradeWithdrawn"),
    },
    "promises": {
        "orders.order.v1": (
            "OrderPlaced", "OrderCancelled", "OrderHeld", "HoldLifted", "AmendmentRequested", "OrderAmended", "AmendmentUndone",
        ),
        "fulfilment.work.v1": ("ParcelDelivered", "DelayForeseen"),
        "fulfilment.capacity.v1": ("CarrierServiceScheduled", "QueueMeasured"),
    },
    "loyalty": {
        "orders.order.v1": ("OrderPlaced", "OrderReleased", "OrderCompleted", "OrderCancelled", "OrderAmended"),
        "fulfilment.work.v1": ("UpgradeSlotReserved", "UpgradeSlotRefused"),
        "fulfilment.capacity.v1": ("CarrierServiceScheduled",),
        "storefront.item.v1": ("ItemListed",),
    },
    "notifications": {
        "orders.order.v1": ("OrderPlaced", "OrderCancelled", "OrderAmended", "AmendmentUndone"),
        "orders.customer.v1": ("CustomerSeen",),
        "promises.promise.v1": ("PromiseMade", "PromiseDeclined"),
        "fulfilment.work.v1": ("HandedOver", "ParcelDelivered"),
    },
}  # fmt: skip

FEED = "promises.entry.v1"
"""Every entry of the promise ledger, told by position and from no outbox: the run itself holds it against the ledger (`chaos.run.promiser`)."""

_ALL = {"issuer.revocation.v1": ("SubjectRevoked",)}
_VIEWS = {FEED: ("EntryRecorded",)}

HEARS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    service: {**own, **_ALL, **({} if service == "promises" else _VIEWS)} for service, own in _OWN.items()
}
"""Service -> topic -> the names of the events it acts upon. Whose tokens are revoked is heard by all, what is promised by all but who promises."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the register. `owner` is the service that says its events; `storefront` is outside."""

    name: str
    partitions: int
    compacted: bool

    @property
    def owner(self) -> str:
        return self.name.partition(".")[0]


def topics_in(file: Path) -> dict[str, Topic]:
    """The register by topic name."""
    told = tomllib.loads(file.read_text())
    usual = told["defaults"]
    return {
        name: Topic(name, row.get("partitions", usual["partitions"]), row.get("cleanup", usual["cleanup"]) == "compact")
        for name, row in told["topics"].items()
    }


def hears(service: str, type: str) -> bool:
    """Whether the service acts upon events of this name, whichever their major version: on any topic that it reads, since the type tells."""
    owner, _, rest = type.partition(".")
    return (owner, rest.partition(".")[0]) in _HEARD[service]


_HEARD = {service: {(topic.partition(".")[0], name) for topic, names in heard.items() for name in names} for service, heard in HEARS.items()}
