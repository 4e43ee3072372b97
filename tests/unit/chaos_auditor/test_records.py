"""What CloudEvents says of a record."""

import json
from uuid import UUID

from chaos.auditor.records import bytes_of, digest_of, read, text_of
from services.kit.ids import named_uuid

ID = "019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a01"


def test_attributes_come_from_the_headers() -> None:
    headers = [("ce_id", ID.upper().encode()), ("ce_type", b"orders.OrderPlaced.v1"), ("ce_aggregateversion", b"3")]
    record = read("orders.order.v1", 2, 7, b"k", b'{"order_id": "o"}', headers)
    assert (record.id, record.type, record.name, record.version) == (ID, "orders.OrderPlaced.v1", "OrderPlaced", 3)
    assert record.data == {"order_id": "o"}
    assert record.where == "orders.order.v1[2]@7"


def test_attributes_of_a_structured_event_come_from_the_value() -> None:
    told = {"id": ID, "type": "storefront.OrderSubmitted.v1", "source": "/s", "data": {"channel": "web"}}
    record = read("storefront.order.v1", 0, 0, None, json.dumps(told).encode(), [("content-type", b"application/cloudevents+json; charset=utf-8")])
    assert (record.id, record.name, record.data) == (ID, "OrderSubmitted", {"channel": "web"})


def test_an_id_that_is_no_uuid_has_the_one_that_the_services_give_it() -> None:
    record = read("storefront.order.v1", 0, 0, None, b"{}", [("ce_id", b"7"), ("ce_source", b"/shop")])
    assert record.id is not None
    assert UUID(record.id) == named_uuid("/shop", "7")


def test_what_cannot_be_told_is_none() -> None:
    poison = [
        read("t", 0, 0, None, None, []),
        read("t", 0, 0, None, b"\xff", [("ce_id", b"\xff"), ("ce_type", b"OrderPlaced")]),
        read("t", 0, 0, None, b"[1]", [("content-type", b"application/cloudevents+json")]),
        read("t", 0, 0, None, b"[" * 100_000, [("ce_id", b"7")]),
    ]
    assert [(record.id, record.type, record.data) for record in poison] == [(None, None, {})] * 4


def test_any_bytes_come_back_as_they_were() -> None:
    every = bytes(range(256))
    assert bytes_of(json.loads(json.dumps(text_of(every)))) == every
    assert bytes_of(text_of(None)) is None


def test_a_digest_stands_for_key_value_and_headers() -> None:
    told = [
        digest_of(b"k", b"v", [("a", b"1"), ("b", b"2")]),
        digest_of(b"k", b"v", [("b", b"2"), ("a", b"1")]),
        digest_of(b"k", b"v", [("a", b"1"), ("b", b"")]),
        digest_of(b"k", b"v", [("a", b"1"), ("b", None)]),
        digest_of(b"k", b"va", [("", b"1"), ("b", b"2")]),
        digest_of(None, b"v", [("a", b"1"), ("b", b"2")]),
        digest_of(b"", b"v", [("a", b"1"), ("b", b"2")]),
        digest_of(b"k", None, [("a", b"1"), ("b", b"2")]),
    ]
    assert len(set(told)) == len(told)
    assert digest_of(b"k", b"v", [("a", b"1"), ("b", b"2")]) == told[0]
