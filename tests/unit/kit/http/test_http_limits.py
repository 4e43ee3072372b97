"""How much one asks, how much at once, and for how long."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import Request
from starlette.responses import Response

from services.kit import tokens
from services.kit.http import Routes, address_of, answer, create_app, operation
from services.kit.http.limits import Capacity, Peers
from services.kit.http.problems import Problem
from services.kit.http.turns import step_aside
from services.kit.settings import KitSettings

PROXIES = "10.0.0.0/8, fd00::/8"


class Toy:
    """One route that ends when it is let go; one that steps aside first; one that takes a body; one for who signed in."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.go, self.begun, self.left = asyncio.Event(), asyncio.Semaphore(0), list[str]()
        self._settings = KitSettings.model_validate({"var": folder, **settings})
        tokens.signing_key(folder / "keys")
        self.app = create_app("toy", [self._routes()], self._settings)

    def _routes(self) -> Routes:
        router = Routes()

        @router.get("/held", **operation(access="public"))
        async def held() -> Response:
            self.begun.release()
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                self.left.append("given up")
                raise
            return answer("done")

        @router.get("/aside", **operation(access="public"))
        async def aside(request: Request) -> Response:
            step_aside(request, 60)
            return await held()

        @router.post("/body", **operation(access="public"))
        async def body(request: Request) -> Response:
            return answer(len(await request.body()))

        @router.get("/mine", **operation(access={"care": "all"}))
        async def mine() -> Response:
            return answer("yours")

        @router.get("/address", **operation(access="public"))
        async def address(request: Request) -> Response:
            return answer(address_of(request))

        return router

    async def get(self, path: str, peer: str = "192.0.2.1", subject: str | None = None, **headers: str) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if subject:
            issuer, audience = self._settings.token_issuer, self._settings.token_audience
            token = tokens.token(self._settings.var / "keys", "care", issuer=issuer, audience=audience, subject=subject)
            given["authorization"] = f"Bearer {token}"
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app, client=(peer, 5)), base_url="http://toy") as client:
            return await client.get(path, headers=given)

    def begin(self, path: str) -> "asyncio.Task[httpx.Response]":
        return asyncio.create_task(self.get(path))


async def test_an_address_that_asks_too_much_waits_and_others_do_not(tmp_path: Path) -> None:
    toy = Toy(tmp_path, requests_per_address=6, api_processes=2)
    met = [await toy.get("/address") for _ in range(4)]
    assert [each.status_code for each in met] == [200, 200, 200, 429]
    assert 0 < int(met[-1].headers["retry-after"]) <= 60
    assert met[-1].headers["content-type"] == "application/problem+json"
    assert (await toy.get("/address", x_forwarded_for="198.51.100.7")).status_code == 429
    assert (await toy.get("/address", peer="192.0.2.2")).status_code == 200


async def test_a_caller_who_asks_too_much_waits_wherever_they_call_from(tmp_path: Path) -> None:
    toy = Toy(tmp_path, requests_per_caller=2, api_processes=1)
    assert [(await toy.get("/mine", f"192.0.2.{n}", "s-1")).status_code for n in range(3)] == [200, 200, 429]
    assert (await toy.get("/mine", "192.0.2.1", "s-2")).status_code == 200
    assert (await toy.get("/address")).status_code == 200


async def test_very_many_addresses_are_not_all_kept(tmp_path: Path) -> None:
    toy = Toy(tmp_path, requests_per_address=1, api_processes=1)
    for number in range(1_002):
        await toy.app.state.capacity.take("address", str(number))
    assert len(toy.app.state.capacity._storage.expirations) == 1


@pytest.mark.parametrize(
    ("peer", "forwarded", "whose"),
    [
        ("192.0.2.1", None, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("10.1.2.3", "198.51.100.7", "198.51.100.7"),
        ("10.1.2.3", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("10.1.2.3", "198.51.100.7, 10.9.9.9", "198.51.100.7"),
        ("10.1.2.3", "198.51.100.7, what?", "10.1.2.3"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("10.1.2.3", "10.4.4.4", "10.4.4.4"),
        ("fd00::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:10.1.2.3", "::ffff:198.51.100.7", "198.51.100.7"),
        ("/run/kept.sock", "198.51.100.7", "unknown"),
    ],
)
def test_only_a_proxy_of_ours_says_who_asks(peer: str, forwarded: str | None, whose: str) -> None:
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    assert Peers(PROXIES).address({"client": (peer, 5), "headers": headers}) == whose


def test_a_proxy_that_is_no_network_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        Peers("proxy.example")


async def test_those_in_hand_are_answered_a_few_wait_and_the_rest_are_told_to_come_back(tmp_path: Path) -> None:
    toy = Toy(tmp_path, requests_in_hand=3)
    first = [toy.begin("/held") for _ in range(3)]
    for _ in first:
        await toy.begun.acquire()
    others = [toy.begin("/held") for _ in range(23)]
    at_once = asyncio.as_completed(others)
    shed = [await next(at_once) for _ in range(20)]
    assert {(each.status_code, each.headers["retry-after"], each.json()["type"]) for each in shed} == {(503, "1", "urn:kept:problem:busy")}
    toy.go.set()
    assert [(await each).status_code for each in (*first, *others)].count(200) == 6
    assert (await toy.get("/held")).status_code == 200


async def test_who_got_no_turn_within_a_second_is_told_to_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.kit.http.turns._LONGEST_WAIT_SECONDS", 0.01)
    toy = Toy(tmp_path, requests_in_hand=1)
    first = toy.begin("/held")
    await toy.begun.acquire()
    assert (await toy.get("/held")).status_code == 503
    toy.go.set()
    assert (await first).status_code == 200


async def test_who_only_waits_and_who_sends_slowly_take_nobodys_place(tmp_path: Path) -> None:
    toy = Toy(tmp_path, requests_in_hand=1)
    waiting = [toy.begin("/aside") for _ in range(3)]
    for _ in waiting:
        await toy.begun.acquire()
    sending = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        sending.set()
        await toy.go.wait()
        yield b"123"

    async with httpx.AsyncClient(transport=httpx.ASGITransport(toy.app), base_url="http://toy") as client:
        slow = asyncio.create_task(client.post("/body", content=slowly()))
        await sending.wait()
        assert (await toy.get("/address")).status_code == 200
        toy.go.set()
        assert (await slow).text == "3"
    assert [(await each).status_code for each in waiting] == [200] * 3


async def test_a_body_that_ends_while_there_is_no_place_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.kit.http.turns._LONGEST_WAIT_SECONDS", 0.01)
    toy = Toy(tmp_path, requests_in_hand=1)
    first = toy.begin("/held")
    await toy.begun.acquire()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(toy.app), base_url="http://toy") as client:
        assert (await client.post("/body", content=b"123")).status_code == 503
        toy.go.set()
        assert (await first).status_code == 200
        assert (await client.post("/body", content=b"123")).status_code == 200


async def test_a_request_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    toy = Toy(tmp_path, request_seconds=0.05, requests_in_hand=1)
    met = await toy.get("/held")
    assert (met.status_code, met.json()["type"], met.headers["retry-after"]) == (504, "urn:kept:problem:timed-out", "1")
    assert toy.left == ["given up"]
    assert (await toy.get("/address")).status_code == 200


async def test_a_wait_that_was_asked_for_does_not_count(tmp_path: Path) -> None:
    toy = Toy(tmp_path, request_seconds=0.05)
    waiting = toy.begin("/aside")
    await toy.begun.acquire()
    assert (await toy.get("/held")).status_code == 504
    toy.go.set()
    assert (await waiting).status_code == 200


@pytest.mark.parametrize("limit", [5, 2_004])
async def test_exactly_as_many_as_the_limit_are_let_through_whatever_is_counted_ahead(limit: int) -> None:
    capacity = Capacity("toy", KitSettings(requests_per_caller=limit, api_processes=1))

    async def refused(caller: str) -> bool:
        try:
            await capacity.take("caller", caller)
        except Problem as problem:
            return problem.status == 429
        return False

    assert [await refused("care s-1") for _ in range(limit + 3)] == [False] * limit + [True] * 3
    assert not await refused("care s-2")
