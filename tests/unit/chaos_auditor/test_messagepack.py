"""Headers as the tables keep them."""

import msgspec
import pytest

from chaos.auditor.messagepack import Headers, headers_of

pack = msgspec.msgpack.Encoder().encode


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("ce_id", b"1"), ("nil", None), ("ce_id", b"")],
        [(f"n{n}", bytes([n])) for n in range(20)],
        [("a" * 40, b"x" * 300), ("ä", b"\xff" * 70_000), ("b" * 300, b"")],
    ],
)
def test_what_the_services_write_is_read(headers: Headers) -> None:
    assert headers_of(pack(headers)) == headers


@pytest.mark.parametrize(
    "packed",
    [b"", b"\x91", b"\x91\x92\xa1a\xc4\x05ab", b"\xc0", b"\x91\x93\xa1a\xc0\xc0", pack([(b"a", b"b")]), pack([("a", "b")]), pack([("a", 1)])],
)
def test_anything_else_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match=r"header|array|begin|end"):
        headers_of(packed)
