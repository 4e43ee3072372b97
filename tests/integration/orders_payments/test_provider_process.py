"""The demo's payment provider as the stack runs it: a process of its own, whose books survive it, found by the worker's settings."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import httpx
import pytest

from demo.provider.books import Books
from services.kit.ids import uuid7
from services.kit.values import Money
from services.orders.payments.agents import account
from services.orders.payments.clients import HttpProvider
from services.orders.payments.ports import ProviderAway
from services.orders.payments.settings import payment_settings
from tests.support.polling import poll_until


async def test_what_it_answered_survives_a_kill_and_the_worker_finds_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    told = {"KEPT_VAR": str(tmp_path), "KEPT_PROVIDER_PORT": str(port), "KEPT_PAYMENTS_URL": f"http://127.0.0.1:{port}"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    payment_settings.cache_clear()
    account.cache_clear()
    with pytest.raises(ProviderAway, match="KEPT_PAYMENTS_API_KEY"):
        account()
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "demo.provider", env=os.environ | told)
    key = uuid7()
    try:
        await poll_until(lambda: _answers(port), 20)
        provider = account()
        assert isinstance(provider, HttpProvider)
        done = await provider.refund(key, "pay-1", Money(500, "EUR"))
        await provider.close()
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
        account.cache_clear()
        payment_settings.cache_clear()
    books = Books(tmp_path / "provider" / "books.sqlite")
    found = books.find(str(key))
    books.close()
    assert found == {"refund_id": done.refund_id, "amount_minor": 500, "currency": "EUR"}


async def _answers(port: int) -> bool:
    try:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://127.0.0.1:{port}/livez")).is_success
    except httpx.HTTPError:
        return False
