"""Kafka headers as the tables keep them: a MessagePack array of [name, bytes or nil] pairs (https://github.com/msgpack/msgpack/blob/master/spec.md)."""

Headers = list[tuple[str, bytes | None]]

_NIL, _PAIR = 0xC0, 0x92
_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4}
_TEXT = {0xD9: 1, 0xDA: 2, 0xDB: 4}
_ARRAY = {0xDC: 2, 0xDD: 4}


def headers_of(packed: bytes) -> Headers:
    """The pairs, in their order. Raises ValueError for anything else than such an array."""
    try:
        at, count = _array(packed)
        pairs: Headers = []
        for _ in range(count):
            if packed[at] != _PAIR:
                raise ValueError(f"a header is not a pair at byte {at}")
            at, name = _scalar(packed, at + 1)
            at, value = _scalar(packed, at)
            if not isinstance(name, str) or isinstance(value, str):
                raise ValueError(f"a header before byte {at} is not a name and bytes")
            pairs.append((name, value))
    except IndexError:
        raise ValueError("headers end too early") from None
    return pairs


def _array(packed: bytes) -> tuple[int, int]:
    """Where its first item begins, and how many it has."""
    mark = packed[0]
    if mark & 0xF0 == 0x90:
        return 1, mark & 0x0F
    if mark not in _ARRAY:
        raise ValueError(f"no array begins with {mark:#x}")
    width = _ARRAY[mark]
    return 1 + width, int.from_bytes(packed[1 : 1 + width], "big")


def _scalar(packed: bytes, at: int) -> tuple[int, str | bytes | None]:
    """Where it ends, and what it is."""
    mark = packed[at]
    if mark == _NIL:
        return at + 1, None
    if mark & 0xE0 == 0xA0:
        begin, length = at + 1, mark & 0x1F
    elif mark in _BYTES or mark in _TEXT:
        width = _BYTES.get(mark) or _TEXT[mark]
        begin = at + 1 + width
        length = int.from_bytes(packed[at + 1 : begin], "big")
    else:
        raise ValueError(f"neither text nor bytes begin with {mark:#x}")
    end = begin + length
    taken = packed[begin:end]
    if len(taken) < length:
        raise IndexError
    return end, taken if mark in _BYTES else taken.decode()
