"""The balance at the end of the day: what the shop sent, what the topics tell, what the interfaces answer, what mailbox and carrier hold, compared.

It reads the topics with a client of its own, from their first event, and trusts no service's word for another's.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition

from demo import day
from demo.house import House
from services.kit import dead_letters
from services.kit.database import service_url
from services.kit.topics import register

if TYPE_CHECKING:
    from demo.run import Journal

OPEN = ("validating", "released", "picking", "packed", "handed_over")


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it stands on its topic."""

    id: str
    name: str
    key: str
    data: dict[str, Any]
    trace_id: str


@dataclass(frozen=True, slots=True)
class Check:
    """Two counts that must be equal, each with where it comes from."""

    about: str
    one: int
    other: int

    @property
    def holds(self) -> bool:
        return self.one == self.other


async def read_topics(bootstrap: str, prefix: str) -> list[Event]:
    """Every event of every topic, from the first to the last that stands there now."""
    partitions = [TopicPartition(prefix + topic.name, n) for topic in register() for n in range(topic.partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    events = []
    try:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                events += [_event(message) for message in batch]
    finally:
        await consumer.stop()
    return events


async def balance(house: House, journal: "Journal", *, scans: int) -> dict[str, Any]:
    """The day's figures, each check with both of its numbers; `reconciled` is true when all of them hold."""
    events = await read_topics(house.stack["kafka"], house.stack["topic_prefix"])
    told = Told(events)
    states = await _states(house, told.ids("OrderPlaced"))
    letters = _letters(house)
    mails = (await house.http.get(f"{house.stack['demo']['mailbox']}/messages")).json()
    lost, doubled = _lost(journal, told, states), told.doubled() + _doubled_mails(mails)
    checks = [*_checks(journal, told, states, letters, len(mails["messages"]))]
    checks += [Check("orders lost", lost, 0), Check("effects doubled", doubled, 0)]
    return {
        "orders": {
            "placed": len(told.ids("OrderPlaced")), "delivered": len(told.ids("OrderCompleted")), "cancelled": len(told.ids("OrderCancelled")),
            "refused": len(_refused(journal, told)), "open": sum(states[state] for state in OPEN),
        },
        "promises": told.promises(),
        "upgrades": len(told.ids("UpgradeGranted") - told.ids("UpgradeWithdrawn")),
        "messages": len(told.named("MessageSent") + told.named("PromiseMessageSent")),
        "scans": scans,
        "click_to_door_minutes": told.click_to_door(),
        "dead_letters": sum(letters.values()),
        "lost": lost,
        "doubled": doubled,
        "checks": [{"about": check.about, "one": check.one, "other": check.other, "holds": check.holds} for check in checks],
        "reconciled": all(check.holds for check in checks),
    }  # fmt: skip


class Told:
    """What the topics tell of the day."""

    _ONCE: ClassVar = {
        "OrderPlaced": "order_id", "OrderReleased": "order_id", "OrderCompleted": "order_id", "OrderCancelled": "order_id",
        "OrderRefused": "order_id", "PickReleased": "task_id", "OrderPacked": "parcel_id", "ParcelLabelled": "parcel_id",
        "HandedOver": "parcel_id", "ParcelDelivered": "parcel_id", "PromiseMade": "promise_id", "UpgradeGranted": "order_id",
        "MessageSent": "message_id", "PromiseMessageSent": "message_id",
    }  # fmt: skip
    """What may become true once only, and by which id."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events
        self._by_name: dict[str, list[Event]] = {}
        for event in events:
            self._by_name.setdefault(event.name, []).append(event)

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event.data for event in self._by_name.get(name, [])]

    def ids(self, name: str, field: str = "order_id") -> set[str]:
        return {data[field] for data in self.named(name)}

    def doubled(self) -> int:
        """How often something that happens once was said again, or a promise was judged again, or one event stands on a topic twice."""
        repeats = sum(len(self.named(name)) - len(self.ids(name, field)) for name, field in self._ONCE.items())
        verdicts = [data["promise_id"] for name in ("PromiseKept", "PromiseBroken", "PromiseReleased") for data in self.named(name)]
        told = Counter((data["order_id"], data["intent"], data["promise_version"]) for data in self.named("MessageSent"))
        copies = len(self._events) - len({event.id for event in self._events})
        return repeats + len(verdicts) - len(set(verdicts)) + sum(count - 1 for count in told.values()) + copies

    def promises(self) -> dict[str, int]:
        counts = {"made": len(self.named("PromiseMade")), "kept": len(self.named("PromiseKept")), "broken": len(self.named("PromiseBroken"))}
        released = len(self.named("PromiseReleased"))
        return {**counts, "released": released, "open": counts["made"] - counts["kept"] - counts["broken"] - released}

    def click_to_door(self) -> dict[str, int]:
        """Minutes from the order's placing to the last parcel at the door: nearest-rank percentiles."""
        waited = [_instant(data["delivered_at"]) - _instant(data["placed_at"]) for data in self.named("OrderCompleted")]
        minutes = sorted(round(each.total_seconds() / 60) for each in waited)
        if not minutes:
            return {"p50": 0, "p95": 0, "max": 0}
        return {name: minutes[max(0, -(-len(minutes) * share // 100) - 1)] for name, share in (("p50", 50), ("p95", 95), ("max", 100))}

    def stock(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The books of each SKU at each site as last said."""
        return {(data["site"], data["sku"]): data for data in self.named("StockChanged")}

    def units(self, orders: set[str]) -> int:
        return sum(line["quantity"] for data in self.named("OrderPlaced") if data["order_id"] in orders for line in data["lines"])


def _checks(journal: "Journal", told: Told, states: Counter[str], letters: Counter[str], mails: int) -> Iterable[Check]:
    delivered, stock = told.ids("OrderCompleted"), told.stock()
    promises = told.promises()
    received = sum(day.demand().values())
    yield Check("orders sent by the shop = placed + refused", len(journal.sent), len(told.ids("OrderPlaced")) + len(_refused(journal, told)))
    yield Check("orders placed = delivered + cancelled + open", len(told.ids("OrderPlaced")), sum(states.values()) - states["lost"])
    yield Check("orders delivered: topics = the orders' own answers", len(delivered), states["delivered"])
    yield Check("orders cancelled: topics = the orders' own answers", len(told.ids("OrderCancelled")), states["cancelled"])
    yield Check("orders acknowledged to the shop = placed", len(journal.acknowledged), len(journal.acknowledged & told.ids("OrderPlaced")))
    yield Check("parcels handed over = delivered", len(told.ids("HandedOver", "parcel_id")), len(told.ids("ParcelDelivered", "parcel_id")))
    yield Check("promises made = kept + broken + released + open", promises["made"], sum(promises.values()) - promises["made"])
    yield Check("first promises = orders placed", len([p for p in told.named("PromiseMade") if not p["replaces"]]), len(told.ids("OrderPlaced")))
    yield Check("units received - units delivered = units on hand", received - told.units(delivered), sum(s["on_hand"] for s in stock.values()))
    yield Check("units still set apart, with no order open", sum(s["reserved"] for s in stock.values()), 0)
    yield Check("messages sent = mails in the mailbox", len(told.named("MessageSent") + told.named("PromiseMessageSent")), mails)
    yield Check("delivery told = orders delivered", len([m for m in told.named("MessageSent") if m["intent"] == "delivered"]), len(delivered))
    yield Check("cancels of unknown orders = dead letters with that reason", journal.unknown_cancels, letters["unknown-order"])
    yield Check("dead letters for any other reason", sum(letters.values()) - letters["unknown-order"], 0)
    yield Check("repeats = repeats answered with the same order", len(journal.repeats), sum(sent == answered for sent, answered in journal.repeats))


def _lost(journal: "Journal", told: Told, states: Counter[str]) -> int:
    """Orders that the shop sent and nobody knows, and orders that were placed and stand nowhere."""
    return len(journal.sent - told.ids("OrderPlaced") - _refused(journal, told)) + states["lost"]


def _refused(journal: "Journal", told: Told) -> set[str]:
    """Refused on the topic, which says so, or by the answer to a request, which changes nothing."""
    return told.ids("OrderRefused") | journal.refused


async def _states(house: House, placed: set[str]) -> Counter[str]:
    """How many of these orders stand in each state, by the orders' own answers; `lost` for those that are not found."""
    admin = house.caller("admin", "auditor")
    states: Counter[str] = Counter()
    for order_id in placed:
        answer = await admin.get("orders", f"/v1/orders/{UUID(order_id)}", expect=(200, 404))
        states[answer.json()["state"] if answer.status_code == 200 else "lost"] += 1
    return states


def _letters(house: House) -> Counter[str]:
    """Dead letters of all services by reason."""
    reasons: Counter[str] = Counter()
    for service in house.stack["services"]:
        letters = dead_letters.list_letters(service_url(house.stack["database"], service), service, open_only=False, limit=10_000)
        reasons.update(letter.reason for letter in letters)
    return reasons


def _doubled_mails(mails: dict[str, Any]) -> int:
    ids = [mail["message_id"] for mail in mails["messages"]]
    return len(ids) - len(set(ids))


def _event(message: Any) -> Event:
    headers = {name: value.decode() for name, value in message.headers}
    data = json.loads(message.value) if message.value else {}
    return Event(headers["ce_id"], headers["ce_type"].split(".")[1], (message.key or b"").decode(), data, headers["ce_traceparent"].split("-")[1])


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
