"""What was set aside is retried in its key's order, byte for byte, or dropped for a reason."""

import subprocess
from uuid import UUID

import pytest

from services.kit import dead_letters
from services.kit.database import service_url
from services.kit.ids import uuid7
from services.kit.ports import Outgoing
from tests.integration.kit import toy
from tests.integration.kit.conftest import Site, end, outgoing, produce
from tests.support.polling import poll_until
from tests.support.toys import SERVICE

DRIVER = "raw"


@pytest.fixture
def url(site: Site) -> str:
    return service_url(site.database, SERVICE)


async def test_a_key_is_retried_in_the_order_of_its_events_though_its_first_try_fails_again(site: Site, url: str) -> None:
    worker = site.start(DRIVER)
    await produce(site, [_event(site, 0), _event(site, 1, "fail"), _event(site, 2), _event(site, 3)])
    await poll_until(lambda: _kinds(url) == ["failed", "behind", "behind"], 30)
    failed = dead_letters.list_letters(url, SERVICE)[0].id

    assert len(dead_letters.retry(url, SERVICE, [failed])) == 3
    await poll_until(lambda: _kinds(url) == ["failed", "behind", "behind"])
    await produce(site, [_event(site, 4)])
    await poll_until(lambda: len(_kinds(url)) == 4)
    assert site.ask("select n from counted") == [(0,)]

    worker = _mended(site, worker)
    dead_letters.retry(url, SERVICE, [dead_letters.list_letters(url, SERVICE)[-1].id])
    await poll_until(lambda: site.counted() == 5, 30)
    assert site.ask("select n from counted order by ctid") == [(n,) for n in range(5)]
    await produce(site, [_event(site, 5)])
    await poll_until(lambda: site.counted() == 6)
    assert _kinds(url) == []
    assert len(dead_letters.list_letters(url, SERVICE, open_only=False)) == 7


async def test_what_is_retried_is_what_came_to_the_byte(site: Site, url: str) -> None:
    site.start(DRIVER)
    plain = _event(site, 1, "refuse")
    headers = [*plain.headers, ("twice", b"\x00"), ("twice", b"\xff"), ("none", None)]
    odd = Outgoing(plain.topic, b"\xff\x00", b"  " + (plain.value or b""), headers)
    await produce(site, [odd])
    await poll_until(lambda: _kinds(url) == ["refused"], 30)
    dead_letters.retry(url, SERVICE, [dead_letters.list_letters(url, SERVICE)[0].id])
    await poll_until(lambda: len(dead_letters.list_letters(url, SERVICE, open_only=False)) == 2)
    for letter in dead_letters.list_letters(url, SERVICE, open_only=False):
        _, content = dead_letters.show(url, SERVICE, letter.id)
        assert (content.key, content.value, content.headers) == (odd.key, odd.value, tuple(odd.headers))


async def test_dropping_the_failed_event_and_what_queued_frees_the_key(site: Site, url: str) -> None:
    site.start(DRIVER)
    await produce(site, [_event(site, 1, "fail"), _event(site, 2)])
    await poll_until(lambda: _kinds(url) == ["failed", "behind"], 30)
    letters = dead_letters.list_letters(url, SERVICE)
    dead_letters.drop(url, SERVICE, [letter.id for letter in letters], "the shop sent it by mistake")
    await produce(site, [_event(site, 3)])
    await poll_until(lambda: site.counted() == 1)
    settled = dead_letters.list_letters(url, SERVICE, open_only=False)
    assert {(letter.settled_as, letter.settled_because) for letter in settled} == {("dropped", "the shop sent it by mistake")}


def test_what_is_not_open_cannot_be_settled(site: Site, url: str) -> None:
    unknown = UUID(int=7)
    with pytest.raises(dead_letters.NothingToSettle, match=str(unknown)):
        dead_letters.retry(url, SERVICE, [unknown])
    with pytest.raises(dead_letters.NothingToSettle):
        dead_letters.drop(url, SERVICE, [unknown], "why")
    with pytest.raises(ValueError, match="reason"):
        dead_letters.drop(url, SERVICE, [unknown], " ")


def _event(site: Site, n: int, behaviour: str = "count") -> Outgoing:
    return outgoing(site.prefix + toy.HEARD, uuid7(), n, behaviour, key="one")


def _kinds(url: str) -> list[str]:
    return [letter.kind for letter in dead_letters.list_letters(url, SERVICE)]


def _mended(site: Site, worker: "subprocess.Popen[bytes]") -> "subprocess.Popen[bytes]":
    assert end(worker) == 0
    return site.start(DRIVER, TOY_MENDED="1")
