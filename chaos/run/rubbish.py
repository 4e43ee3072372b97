"""What topics hold that they should not: bytes that cannot be read, records again, records in disorder, events of a release to come."""

import asyncio
import itertools
import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from random import Random
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from chaos.run.client import CANCELLED, ORDERS, SUBMITTED, Client, cancel_of, key_of, now
from services.kit.ids import uuid7
from services.kit.trace import child_of

HEARD = ("storefront.order.v1", "orders.order.v1", "fulfilment.work.v1", "promises.promise.v1")
_FUTURE = (
    ("orders.order.v1", "orders.OrderPlaced.v2"),
    ("fulfilment.work.v1", "fulfilment.StockReserved.v2"),
    ("promises.promise.v1", "promises.PromiseMade.v2"),
)
_LARGEST = 1_000_000
_ANSWER_SECONDS = 15.0
_AT_ONCE = 100
_UNREADABLE = (b"\xff\xfe{", b'{"order_id": ', b"", None, b"\x00" * 64, b"[" * 100_000)


async def poison(client: Client, topics: Iterable[str], *, largest: bool = False) -> None:
    """What cannot be read, on each of these topics; with the largest message that a topic takes, and one without a key."""
    values = (*_UNREADABLE, b"x" * _LARGEST) if largest else _UNREADABLE
    for topic, value in itertools.product(topics, values):
        await _spoil(client, topic, None if largest and value == b"" else b"poison", value, [("ce_type", topic.encode())])


async def future_majors(client: Client) -> None:
    """Events that a later release says in another form: kept until there is one that reads them."""
    for topic, type in _FUTURE:
        id = str(uuid7())
        headers = {"ce_specversion": "1.0", "ce_id": id, "ce_type": type, "ce_source": "/later", "ce_subject": id, "ce_time": now()}
        headers |= {"content-type": "application/json", "ce_traceparent": child_of(None)}
        await _spoil(client, topic, id.encode(), json.dumps({"later": id}).encode(), [(name, value.encode()) for name, value in headers.items()])
    order = client.next_order()
    await client.say("future", ORDERS, "storefront.OrderSubmitted.v2", key_of(order), order, expect="dead_letter", services=["orders"])


async def future_minors(client: Client, count: int) -> None:
    """Orders with fields that nobody knows yet: taken like any other."""
    for _ in range(count):
        order = client.next_order()
        await client.say("place", ORDERS, SUBMITTED, key_of(order), {**order, "gift_wrap": {"paper": "stars"}, "carbon_grams": 12})


async def place_in_disorder(client: Client, count: int) -> None:
    """Orders and cancels of some of them, shuffled: a cancel may come ahead of its order."""
    said: list[tuple[str, str, str, dict[str, Any]]] = []
    for number in range(count):
        order = client.next_order()
        client.placed.append(order)
        said.append(("place", SUBMITTED, key_of(order), order))
        if number % 4 == 0:
            said.append(("cancel", CANCELLED, key_of(order), cancel_of(order)))
    client.rng.shuffle(said)
    for op, type, key, data in said:
        await client.say(op, ORDERS, type, key, data)


async def copies(rng: Random, bootstrap: str, topic: str, *, window: int) -> Sequence[Message]:
    """A fifth of what lies on the topic, each record one to four times; with a window, so many at a time are shuffled."""
    records = await asyncio.to_thread(_some_records, bootstrap, topic, rng)
    again = [record for record in records for _ in range(rng.randint(1, 4))]
    if window:
        parts = [again[at : at + window] for at in range(0, len(again), window)]
        again = [record for part in parts for record in rng.sample(part, len(part))]
    return again


async def say_again(client: Client, topic: str, again: Sequence[Message]) -> None:
    """These records, on the topic they come from."""
    for at in range(0, len(again), _AT_ONCE):
        await asyncio.gather(*(_again(client, topic, record) for record in again[at : at + _AT_ONCE]))


async def _again(client: Client, topic: str, record: Message) -> None:
    headers = list(record.headers() or ())
    number = client.journal.before("repeat", "topic", None, {"topic": topic, "event_id": _id(headers)})
    await client.produce(number, topic, record.key(), record.value(), headers)


async def _spoil(client: Client, topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
    number = client.journal.before("poison", "topic", None, {"topic": topic, "sha256": sha256(value or b"").hexdigest()})
    await client.produce(number, topic, key, value, headers)


def _some_records(bootstrap: str, topic: str, rng: Random) -> Sequence[Message]:
    """A fifth of the topic's events, in their order."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "kept-chaos", "enable.auto.commit": False})
    try:
        places = [TopicPartition(topic, number) for number in consumer.list_topics(topic, _ANSWER_SECONDS).topics[topic].partitions]
        left = sum(consumer.get_watermark_offsets(place, _ANSWER_SECONDS)[1] for place in places)
        consumer.assign([TopicPartition(topic, place.partition, OFFSET_BEGINNING) for place in places])
        found: list[Message] = []
        while left > 0 and (messages := consumer.consume(min(left, 1000), _ANSWER_SECONDS)):
            left -= len(messages)
            found += [each for each in messages if not each.error() and _id(list(each.headers() or ())) and rng.random() < 0.2]
        return found
    finally:
        consumer.close()


def _id(headers: list[tuple[str, bytes]]) -> str:
    return dict(headers).get("ce_id", b"").decode()
