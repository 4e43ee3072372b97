"""A link as a client and a server on its two sides see it, with nothing wrong and with everything that can be."""

import asyncio
import time

import pytest

from chaos.proxy.faults import Faults, Way
from chaos.proxy.link import Link
from deploy.local.ports import free
from tests.support.polling import poll_until
from tests.unit.chaos_proxy.conftest import Server, Setting
from tests.unit.chaos_proxy.test_proxy_frames import COMMIT, PRODUCE, STARTED, message, reply, request

DATA = bytes(range(256)) * 4096


def only(way: str, what: Way) -> Faults:
    """This happens one way, nothing the other."""
    return Faults(to_server=what) if way == "to_server" else Faults(to_client=what)


async def test_bytes_pass_unchanged_both_ways_and_are_counted(setting: Setting) -> None:
    client, served = await setting.pair()
    client.writer.write(DATA)
    assert await served.hears(len(DATA)) == DATA
    served.writer.write(DATA[::-1])
    assert await client.hears(len(DATA)) == DATA[::-1]
    counts = setting.link.counts
    assert (counts.connections, counts.bytes_to_server, counts.bytes_to_client, counts.delayed) == (1, len(DATA), len(DATA), 0)


async def test_a_close_passes_after_the_last_byte_from_either_side(setting: Setting) -> None:
    client, served = await setting.pair()
    client.writer.write(b"last")
    client.writer.close()
    assert await asyncio.wait_for(served.reader.read(), 5) == b"last"
    client, served = await setting.pair()
    served.writer.write(b"last")
    served.writer.close()
    assert await asyncio.wait_for(client.reader.read(), 5) == b"last"


@pytest.mark.parametrize("way", ["to_server", "to_client"])
async def test_latency_delays_its_own_way_alone(setting: Setting, way: str) -> None:
    client, served = await setting.pair()
    slow, fast = ((client, served), (served, client)) if way == "to_server" else ((served, client), (client, served))
    await setting.link.set(only(way, Way(latency_seconds=0.2)))
    fast[0].writer.write(b"fast")
    slow[0].writer.write(b"slow")
    assert await slow[1].hears_nothing(0.1)
    assert await fast[1].hears(4, 0.05) == b"fast"
    assert await slow[1].hears(4) == b"slow"
    assert setting.link.counts.delayed == 1


async def test_a_close_waits_for_what_is_delayed(setting: Setting) -> None:
    client, served = await setting.pair()
    await setting.link.set(Faults(to_server=Way(latency_seconds=0.1), to_client=Way(latency_seconds=0.1)))
    client.writer.write(b"last")
    client.writer.close()
    assert await asyncio.wait_for(served.reader.read(), 5) == b"last"


async def test_many_chunks_are_in_flight_at_once_and_stay_in_order(setting: Setting) -> None:
    client, served = await setting.pair()
    await setting.link.set(Faults(to_server=Way(latency_seconds=0.2, jitter_seconds=0.05)))
    started = time.monotonic()
    for number in range(20):
        client.writer.write(bytes([number]) * 100)
        await client.writer.drain()
        await asyncio.sleep(0)
    assert await served.hears(2000) == b"".join(bytes([number]) * 100 for number in range(20))
    assert 0.15 < time.monotonic() - started < 1


async def test_a_limited_way_takes_its_time(setting: Setting) -> None:
    client, served = await setting.pair()
    await setting.link.set(Faults(to_client=Way(bytes_per_second=100_000)))
    started = time.monotonic()
    served.writer.write(DATA[:30_000])
    assert await client.hears(30_000) == DATA[:30_000]
    assert 0.28 < time.monotonic() - started < 1


async def test_slices_come_one_by_one(setting: Setting) -> None:
    client, served = await setting.pair()
    await setting.link.set(Faults(to_server=Way(slice_bytes=20)))
    client.writer.write(DATA[:1000])
    reads: list[bytes] = []
    while len(b"".join(reads)) < 1000:
        reads.append(await asyncio.wait_for(served.reader.read(1000), 5))
    assert b"".join(reads) == DATA[:1000]
    assert len(reads) > 20


async def test_a_reset_cuts_both_sides_with_rst_and_new_connections_work(setting: Setting) -> None:
    client, served = await setting.pair()
    setting.link.reset()
    assert await client.ends_by_reset()
    assert await served.ends_by_reset()
    assert setting.link.counts.resets == 1
    client, served = await setting.pair()
    client.writer.write(b"new")
    assert await served.hears(3) == b"new"


async def test_a_link_that_accepts_nothing_connects_and_stays_silent_until_it_heals(setting: Setting) -> None:
    old_client, old_served = await setting.pair()
    await setting.link.set(Faults(accepts=False))
    client = await setting.client()
    client.writer.write(b"hello")
    assert await client.hears_nothing()
    assert setting.server.came.empty()
    old_client.writer.write(b"old")
    assert await old_served.hears(3) == b"old"
    await setting.link.set(Faults())
    assert await (await setting.server.next()).hears(5) == b"hello"


@pytest.mark.parametrize("way", ["to_server", "to_client"])
async def test_a_partition_one_way_withholds_that_way_alone_until_it_heals(setting: Setting, way: str) -> None:
    client, served = await setting.pair()
    blocked, open_way = ((client, served), (served, client)) if way == "to_server" else ((served, client), (client, served))
    await setting.link.set(only(way, Way(blocked=True)))
    blocked[0].writer.write(b"blocked")
    open_way[0].writer.write(b"open")
    assert await open_way[1].hears(4) == b"open"
    assert await blocked[1].hears_nothing()
    await setting.link.set(Faults())
    assert await blocked[1].hears(7) == b"blocked"


async def test_what_is_on_its_way_when_a_partition_begins_waits_too(setting: Setting) -> None:
    client, served = await setting.pair()
    await setting.link.set(Faults(to_server=Way(latency_seconds=0.05)))
    client.writer.write(b"late")
    await poll_until(lambda: setting.link.counts.delayed)
    await setting.link.set(Faults(to_server=Way(blocked=True)))
    assert await served.hears_nothing()
    await setting.link.set(Faults())
    assert await served.hears(4) == b"late"


@pytest.mark.parametrize("way", ["to_server", "to_client"])
async def test_through_a_partition_nobody_new_connects_and_no_close_is_told(setting: Setting, way: str) -> None:
    client, served = await setting.pair()
    teller, hearer = (client, served) if way == "to_server" else (served, client)
    await setting.link.set(only(way, Way(blocked=True)))
    teller.writer.close()
    await setting.client()
    assert await hearer.hears_nothing()
    assert setting.server.came.empty()
    await setting.link.set(Faults())
    assert await asyncio.wait_for(hearer.reader.read(), 5) == b""
    await setting.server.next()


async def test_behind_a_partition_a_server_does_not_hear_that_its_client_is_gone(setting: Setting) -> None:
    """The zombie of the other side: it still speaks, to nobody."""
    client, served = await setting.pair()
    await setting.link.set(Faults(to_server=Way(blocked=True)))
    client.writer.transport.abort()
    for _ in range(20):
        served.writer.write(b"to nobody")
        await served.writer.drain()
        await asyncio.sleep(0.005)
    assert await served.hears_nothing()
    await setting.link.set(Faults())
    assert await asyncio.wait_for(served.reader.read(), 5) == b""


async def test_a_link_that_is_down_refuses_and_cuts_and_comes_back_on_its_port(setting: Setting) -> None:
    client, _ = await setting.pair()
    await setting.link.set(Faults(listens=False))
    assert await client.ends_by_reset()
    with pytest.raises(ConnectionRefusedError):
        await setting.client()
    await setting.link.set(Faults())
    client, served = await setting.pair()
    client.writer.write(b"back")
    assert await served.hears(4) == b"back"


async def test_where_no_server_answers_the_client_is_cut(setting: Setting) -> None:
    setting.server.close()
    assert await (await setting.client()).ends_by_reset()


async def test_connections_go_to_several_servers_by_turns_and_around_one_that_is_away(setting: Setting) -> None:
    other = Server()
    await other.start()
    link = Link("a->b", free(), [("127.0.0.1", setting.server.port), ("127.0.0.1", other.port)])
    await link.start()
    clients = [await asyncio.open_connection("127.0.0.1", link.port) for _ in range(4)]
    await poll_until(lambda: (setting.server.came.qsize(), other.came.qsize()) == (2, 2))
    other.close()
    clients += [await asyncio.open_connection("127.0.0.1", link.port) for _ in range(4)]
    await poll_until(lambda: setting.server.came.qsize() == 6)
    assert link.counts.resets == 0
    link.stop()
    for _, writer in clients:
        writer.close()


async def test_a_client_that_reads_nothing_holds_back_its_server(setting: Setting) -> None:
    client, served = await setting.pair()
    await setting.link.set(Faults(to_client=Way(latency_seconds=0.01)))
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # typeshed: WriteTransport
    served.writer.write(DATA * 32)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(served.writer.drain(), 0.5)
    taken = setting.link.counts.bytes_to_client
    assert taken < 16 * len(DATA)
    client.writer.transport.resume_reading()  # type: ignore[attr-defined]  # typeshed: WriteTransport
    assert await client.hears(len(DATA) * 32) == DATA * 32


@pytest.mark.parametrize("speaks", ["kafka"])
async def test_a_lost_answer_to_a_produce_request_ends_its_connection_alone(setting: Setting) -> None:
    await setting.link.set(Faults(lose_chance=1, lose_limit=1))
    (client, served), (other, other_served) = await setting.pair(), await setting.pair()
    for asking, asked in ((client, served), (other, other_served)):
        asking.writer.write(request(1, 1) + request(PRODUCE, 2))
        await asked.hears(24)
    served.writer.write(reply(1))
    assert await client.hears(8) == reply(1)
    served.writer.write(reply(2))
    assert await client.ends_by_reset()
    assert await served.ends_by_reset()
    other_served.writer.write(reply(1) + reply(2))
    assert await other.hears(16) == reply(1) + reply(2)
    counts = setting.link.counts
    assert (counts.replies, counts.replies_lost, counts.resets) == (2, 1, 1)


@pytest.mark.parametrize("speaks", ["postgres"])
async def test_a_lost_answer_to_a_commit_ends_its_connection(setting: Setting) -> None:
    client, served = await setting.pair()
    served.writer.write(STARTED + COMMIT)
    assert await client.hears(len(STARTED + COMMIT)) == STARTED + COMMIT
    await setting.link.set(Faults(lose_chance=1))
    served.writer.write(message(b"Z", b"I"))
    assert await client.hears(6) == message(b"Z", b"I")
    served.writer.write(COMMIT + message(b"Z", b"I"))
    assert await client.ends_by_reset()
    assert (setting.link.counts.replies, setting.link.counts.replies_lost) == (2, 1)


async def test_a_chance_loses_some_answers_and_not_others_the_same_ones_for_the_same_seed() -> None:
    async def lost(seed: int) -> list[bool]:
        link = Link("a->b", 0, [], "postgres", seed)
        await link.set(Faults(lose_chance=0.5, listens=False))
        answers = [link.loses() for _ in range(200)]
        assert (link.counts.replies, link.counts.replies_lost) == (200, sum(answers))
        return answers

    assert 60 < sum(await lost(1)) < 140
    assert await lost(1) == await lost(1) != await lost(2)


async def test_a_limit_counts_from_when_it_was_set(setting: Setting) -> None:
    for _ in range(2):
        await setting.link.set(Faults(lose_chance=1, lose_limit=2))
        assert [setting.link.loses() for _ in range(4)] == [True, True, False, False]
