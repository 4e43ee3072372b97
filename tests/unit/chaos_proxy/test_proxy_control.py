"""Faults are switched from another thread through the control port, as another process does it."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chaos.proxy.control import Refused, Remote, serve
from chaos.proxy.faults import Faults, Way
from deploy.local.ports import free
from tests.support.polling import poll_until
from tests.unit.chaos_proxy.conftest import Setting


@pytest.fixture
async def remote(setting: Setting) -> AsyncIterator[Remote]:
    port = free()
    serving = asyncio.create_task(serve({"a->b": setting.link}, port))

    async def answers() -> bool:
        with contextlib.suppress(OSError):
            await asyncio.to_thread(Remote(port, []).counts)
            return True
        return False

    await poll_until(answers)
    yield Remote(port, ["a->b"])
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def test_faults_are_set_and_healed_and_connections_reset(setting: Setting, remote: Remote) -> None:
    client, _ = await setting.pair()
    faults = Faults(to_server=Way(latency_seconds=0.5, blocked=True), lose_chance=0.25, lose_limit=3)
    await asyncio.to_thread(remote.set, faults)
    assert setting.link.faults == faults
    await asyncio.to_thread(remote.heal)
    assert setting.link.faults == Faults()
    await asyncio.to_thread(remote.reset)
    assert await client.ends_by_reset()
    counts = await asyncio.to_thread(remote.counts)
    assert (counts["a->b"].connections, counts["a->b"].resets) == (1, 1)


async def test_an_unknown_link_is_refused_and_nothing_is_changed(setting: Setting, remote: Remote) -> None:
    remote.links.append("a->c")
    with pytest.raises(Refused, match="there is no link a->c"):
        await asyncio.to_thread(remote.set, Faults(listens=False))
    assert setting.link.faults == Faults()


@pytest.mark.parametrize(
    "line",
    [b"{", b'{"do": "set"}', b'{"do": "set", "links": [], "faults": {"lose_chance": 2}}', b'{"do": "set", "links": [], "faults": {"latency": 1}}'],
)
async def test_what_cannot_be_read_is_answered_with_its_error(remote: Remote, line: bytes) -> None:
    def ask() -> Any:
        with socket.create_connection(("127.0.0.1", remote._port), 5) as connection, connection.makefile("rb") as answers:
            connection.sendall(line + b"\n")
            return json.loads(answers.readline())

    assert (await asyncio.to_thread(ask))["error"]
