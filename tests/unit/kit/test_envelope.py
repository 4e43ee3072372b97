"""How events stand on the wire, and everything that is refused there with a reason and without the content."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.envelope import BadData, Reader, Reads, encode_data, event_id, headers_of, refuse_ambiguous
from services.kit.ids import named_uuid
from services.kit.values import Cause, Heard, NewId
from tests.support.messages import TOLD_AT, TRACE, event_headers

PLACED = "shop.Placed.v1"
SECRET = "a customer's words"


@dataclass(frozen=True, slots=True)
class Placed:
    n: int
    words: str = ""


class Wire(msgspec.Struct):
    n: int
    words: str = ""


def _to_domain(wire: Wire) -> Placed:
    if wire.n < 0:
        raise ValueError("n is negative; send zero or more")
    return Placed(wire.n, wire.words)


READER = Reader({PLACED: Placed, "shop.Strict.v1": Reads(Wire, _to_domain, strict=True)})


def _headers(id: UUID, type: str = PLACED, /, **changes: bytes | None) -> dict[str, bytes]:
    headers: dict[str, bytes | None] = {**dict(event_headers(id, type, "k", 3)), **changes}
    return {name: value for name, value in headers.items() if value is not None}


def _read(headers: dict[str, bytes], value: Any) -> Heard[Any]:
    heard = READER.read(headers, value if isinstance(value, bytes) else json.dumps(value).encode())
    assert heard is not None
    return heard


def _refused(headers: dict[str, bytes], value: bytes | None) -> str:
    with pytest.raises(BadData) as refused:
        READER.read(headers, value)
    assert SECRET not in str(refused.value)
    return str(refused.value)


def test_what_is_written_is_read_back(new_id: NewId) -> None:
    id, cause = new_id(), Cause(new_id(), new_id(), TRACE)
    headers = headers_of(id=id, type=PLACED, source="/kept/shop", subject="o-1", time=TOLD_AT, version=7, cause=cause, traceparent=TRACE)
    heard = READER.read(dict(headers), encode_data(Placed(5, "five")))
    assert heard == Heard(id, PLACED, "o-1", 7, TOLD_AT, Placed(5, "five"), Cause(id, cause.correlation_id, TRACE))


def test_a_type_that_is_not_heard_is_passed_over_before_its_value_is_read(new_id: NewId) -> None:
    headers = _headers(new_id(), "shop.Other.v1")
    assert READER.read(headers, b"\xff") is None


def test_a_newer_major_of_what_is_heard_waits_for_the_upgrade(new_id: NewId) -> None:
    assert _refused(_headers(new_id(), "shop.Placed.v2"), b"{}").endswith("reads shop.Placed up to v1, and this is v2: retry it after the upgrade")
    assert Reader({PLACED: Placed, "shop.Placed.v3": Placed}).read(_headers(new_id(), "shop.Placed.v2"), b"{}") is None


def test_unknown_fields_are_tolerated(new_id: NewId) -> None:
    assert _read(_headers(new_id()), {"n": 1, "later": {"x": [1]}}).data == Placed(1)


def test_an_id_that_is_no_uuid_names_one_within_its_source(new_id: NewId) -> None:
    assert _read(_headers(new_id(), ce_id=b"order 7"), {"n": 1}).id == named_uuid("/test", "order 7")


def test_without_a_trace_a_new_one_begins(new_id: NewId) -> None:
    for headers in (_headers(new_id(), ce_traceparent=None), _headers(new_id(), ce_traceparent=b"00-bad")):
        assert _read(headers, {"n": 1}).cause.traceparent.startswith("00-")


def test_without_a_correlation_the_story_begins_here(new_id: NewId) -> None:
    heard = _read(_headers(new_id(), ce_correlationid=None), {"n": 1})
    assert heard.cause.correlation_id == heard.id


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ce_type": None}, "ce_type is missing"),
        ({"ce_type": b"Placed"}, "not a type of the form"),
        ({"ce_type": b"\xff"}, "not UTF-8"),
        ({"ce_id": None}, "ce_id is missing"),
        ({"ce_id": b""}, "1 to 255"),
        ({"ce_id": b"x" * 256}, "1 to 255"),
        ({"ce_id": b"a\0b"}, "NUL"),
        ({"ce_id": b"free text", "ce_source": None}, "ce_source is missing"),
        ({"ce_subject": b"a\0b"}, "NUL"),
        ({"ce_time": None}, "ce_time is missing"),
        ({"ce_time": b"yesterday"}, "RFC 3339"),
        ({"ce_time": b"2026-03-02T12:00:00"}, "no offset"),
        ({"ce_time": b"0001-01-01T00:00:00+14:00"}, "RFC 3339"),
        ({"ce_correlationid": b"x"}, "not a UUID"),
        ({"ce_correlationid": b"\xff"}, "not a UUID"),
        ({"ce_aggregateversion": b"one"}, "whole number"),
        ({"ce_aggregateversion": b"-1"}, "whole number"),
        ({"ce_aggregateversion": b"9223372036854775808"}, "whole number"),
    ],
)
def test_bad_headers_are_refused_by_name(new_id: NewId, changes: dict[str, bytes | None], reason: str) -> None:
    assert reason in _refused(_headers(new_id(), **changes), b'{"n": 1}')


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "has no data"),
        (b"", "does not fit"),
        (b'{"n": "' + SECRET.encode() + b'"}', "does not fit"),
        (b'{"words": "' + SECRET.encode() + b'"}', "does not fit"),
        (b'{"n": 1, "words": "\xff"}', "does not fit"),
        (b'{"n": 1, "deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deep"),
    ],
)
def test_bad_values_are_refused_without_their_content(new_id: NewId, value: bytes | None, reason: str) -> None:
    assert reason in _refused(_headers(new_id()), value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b'{"n": 1, "n": 2}', "twice"),
        (b'{"n": 1, "words": "a\\u0000b"}', "NUL"),
        (b'{"n": 1, "x": NaN}', "does not fit"),
        (b'{"n": -1}', "n is negative"),
        (b"[" * 100_000, "nested too deep"),
    ],
)
def test_outsiders_are_read_strictly(new_id: NewId, value: bytes, reason: str) -> None:
    assert reason in _refused(_headers(new_id(), "shop.Strict.v1"), value)


def test_outsiders_may_speak_of_u0000_without_meaning_it(new_id: NewId) -> None:
    heard = _read(_headers(new_id(), "shop.Strict.v1"), b'{"n": 1, "words": "the text \\\\u0000"}')
    assert heard.data.words == "the text \\u0000"


def _structured(**changes: Any) -> bytes:
    event = {
        "specversion": "1.0",
        "id": "o-1",
        "source": "/shop",
        "type": PLACED,
        "time": "2026-03-02T13:00:00+01:00",
        "subject": "k",
        "aggregateversion": 4,
        "datacontenttype": "application/json",
        "data": {"n": 9},
        **changes,
    }
    return json.dumps({name: value for name, value in event.items() if value is not None}).encode()


STRUCTURED = {"content-type": b"application/cloudevents+json; charset=utf-8"}


def test_structured_mode_is_read_like_binary_mode() -> None:
    heard = _read(STRUCTURED, _structured())
    assert (heard.id, heard.type, heard.subject, heard.version, heard.time, heard.data) == (
        *(named_uuid("/shop", "o-1"), PLACED, "k", 4),
        *(datetime(2026, 3, 2, 12, tzinfo=UTC), Placed(9)),
    )


def test_structured_mode_of_a_type_not_heard_is_passed_over_once_read() -> None:
    assert READER.read(STRUCTURED, _structured(type="shop.Other.v1")) is None


@pytest.mark.parametrize("value", [None, b"", b"[]", b'"text"', b"{", b"[" * 100_000, b'{"id": {"a": 1}, "type": "' + PLACED.encode() + b'"}'])
def test_structured_mode_that_is_none_is_refused(value: bytes | None) -> None:
    _refused(STRUCTURED, value)


def test_structured_mode_without_data_is_refused() -> None:
    assert "does not fit" in _refused(STRUCTURED, _structured(data=None))


def test_the_id_is_told_from_headers_alone(new_id: NewId) -> None:
    id = new_id()
    assert event_id(_headers(id)) == id
    assert event_id(_headers(id, ce_id=None)) is None


ATTRIBUTES = ["ce_id", "ce_type", "ce_time", "ce_source", "ce_subject", "ce_aggregateversion", "content-type"]


@given(st.dictionaries(st.sampled_from(ATTRIBUTES), st.binary()), st.binary())
def test_whatever_bytes_come_they_are_read_or_refused(headers: dict[str, bytes], value: bytes) -> None:
    try:
        READER.read(headers, value)
    except BadData:
        return


_NAMES = st.sampled_from(["a", "b", "\u00e9", 'q"', "back\\slash", "\x7f", "NaN"])
_LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), _NAMES).map(json.dumps)


def _objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(_NAMES, inner), max_size=4)
    return pairs.map(lambda told: "{" + ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {value}" for name, value in told) + "}")


@given(st.recursive(_LEAVES, lambda inner: st.one_of(_objects(inner), st.lists(inner, max_size=3).map(lambda told: f"[{','.join(told)}]"))))
def test_whether_a_text_is_ambiguous_is_told_the_same_by_the_short_way_and_the_long_one(text: str) -> None:
    def refuse(_: str) -> None:
        raise ValueError

    def each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        read = json.loads(text, object_pairs_hook=each_once, parse_constant=refuse)
        is_plain = "\\u0000" not in json.dumps(read)
    except ValueError:
        is_plain = False
    try:
        refuse_ambiguous(text.encode())
        taken = True
    except ValueError:
        taken = False
    assert taken == is_plain
