"""What is promised of a payment provider: kept by the fake that handlers are tested with, and by the client over HTTP with the demo's provider."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from demo.provider.app import How
from services.kit.ids import uuid7
from services.kit.values import Money
from services.orders.payments.clients import http_provider
from services.orders.payments.ports import PaymentProvider, ProviderAway, ProviderRefused
from tests.support.provider import Running, running
from tests.unit.orders_payments.fakes import FakeProvider

EUR = Money(500, "EUR")


class Suite:
    """An account, and how its provider is told to misbehave."""

    def __init__(self, account: PaymentProvider, world: FakeProvider | Running) -> None:
        self.account, self.misbehave, self.moved = account, world.misbehave, world.moved


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path) as provider:
        yield provider


@pytest.fixture(params=["fake", "real"])
def suite(request: pytest.FixtureRequest) -> Suite:
    if request.param == "fake":
        fake = FakeProvider()
        return Suite(fake, fake)
    real: Running = request.getfixturevalue("real")
    return Suite(real.client, real)


async def test_money_moves_once_under_a_key_however_often_it_is_asked_for(suite: Suite) -> None:
    key = uuid7()
    assert await suite.account.find(key) is None
    done = [await suite.account.refund(key, "pay-1", EUR) for _ in range(3)]
    assert len(set(done)) == 1 and done[0].amount == EUR
    assert await suite.account.find(key) == done[0]
    assert suite.moved() == [(key, 500, "pay-1")]


async def test_two_at_once_under_a_key_are_one(suite: Suite) -> None:
    key = uuid7()
    one, other = await asyncio.gather(suite.account.refund(key, "pay-1", EUR), suite.account.refund(key, "pay-1", EUR))
    assert one == other
    assert suite.moved() == [(key, 500, "pay-1")]


async def test_a_key_that_stands_for_another_refund_is_refused(suite: Suite) -> None:
    key = uuid7()
    await suite.account.refund(key, "pay-1", EUR)
    for reference, amount in (("pay-1", Money(501, "EUR")), ("pay-2", EUR), ("pay-1", Money(500, "USD"))):
        with pytest.raises(ProviderRefused):
            await suite.account.refund(key, reference, amount)
    assert suite.moved() == [(key, 500, "pay-1")]


@pytest.mark.parametrize(("how", "moves"), [(How.SILENT, 0), (How.LOST, 1), (How.FAILS, 0), (How.DOES_AND_FAILS, 1), (How.GARBLES, 1)])
async def test_a_call_without_an_answer_leaves_open_whether_money_moved_and_asking_tells(suite: Suite, how: How, moves: int) -> None:
    key = uuid7()
    suite.misbehave(how)
    with pytest.raises(ProviderAway):
        await suite.account.refund(key, "pay-1", EUR)
    found = await suite.account.find(key)
    assert (found is not None, len(suite.moved())) == (bool(moves), moves)
    again = await suite.account.refund(key, "pay-1", EUR)
    assert found in (None, again) and len(suite.moved()) == 1


async def test_a_no_is_no_doubt(suite: Suite) -> None:
    key = uuid7()
    suite.misbehave(How.REFUSES)
    with pytest.raises(ProviderRefused, match="the card was closed"):
        await suite.account.refund(key, "pay-1", EUR)
    assert (await suite.account.find(key), suite.moved()) == (None, [])


@pytest.mark.parametrize("how", [How.SILENT, How.FAILS, How.GARBLES])
async def test_a_question_without_an_answer_is_not_a_no(suite: Suite, how: How) -> None:
    suite.misbehave(how, method="GET")
    with pytest.raises(ProviderAway):
        await suite.account.find(uuid7())


async def test_what_is_no_provider_of_ours_is_never_taken_for_a_no(real: Running) -> None:
    """A wrong key, a wrong address, nobody there: nothing is settled by it."""
    for url, key in ((real.url, "wrong"), (f"{real.url}/elsewhere", real.keys["api_key"]), ("http://127.0.0.1:9", "any")):
        account = http_provider(url, key, 1.0)
        with pytest.raises(ProviderAway):
            await account.refund(uuid7(), "pay-1", EUR)
        await account.close()
    assert real.moved() == []


async def test_it_is_told_to_misbehave_over_http_by_its_administrator_alone(real: Running) -> None:
    key = uuid7()
    async with httpx.AsyncClient(base_url=real.url, headers={"authorization": f"Bearer {real.keys['admin_key']}"}) as admin:
        assert (await admin.post("/misbehave", json={"how": "fails", "times": 2})).status_code == 204
        for _ in range(2):
            with pytest.raises(ProviderAway):
                await real.client.refund(key, "pay-1", EUR)
        await real.client.refund(key, "pay-1", EUR)
        await real.client.refund(key, "pay-1", EUR)
        ((told,),) = [(await admin.get("/books")).json()["refunds"]]
        assert (told["key"], told["amount_minor"], told["asked"]) == (str(key), 500, 2)
        wrong = {"authorization": f"Bearer {real.keys['api_key']}"}
        assert (await admin.post("/misbehave", json={"how": "fails"}, headers=wrong)).status_code == 401
        assert (await admin.post("/misbehave", json={"how": "explodes"})).status_code == 422
