"""A key's partition is the one that every other Kafka client would choose."""

from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from services.kit.partitioner import partition_of


@given(key=st.binary(max_size=70), partitions=st.integers(1, 48))
def test_a_key_goes_where_aiokafka_would_send_it(key: bytes, partitions: int) -> None:
    assert partition_of(key, partitions) == (murmur2(key) & 0x7FFFFFFF) % partitions


def test_no_key_is_an_empty_one() -> None:
    assert partition_of(None, 7) == partition_of(b"", 7)
