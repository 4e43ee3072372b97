"""Whether an API's database answers: looked at seldom, however often it is asked."""

import asyncio

import asyncpg

from services.kit.http.health import Look


class _Server:
    """Counts the looks at it; `error` is what it raises."""

    def __init__(self) -> None:
        self.looks, self.seconds = 0, 0.0
        self.error: Exception | None = None

    async def ask(self) -> None:
        self.looks += 1
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error

    def now(self) -> float:
        return self.seconds


async def test_many_who_ask_at_once_and_within_a_second_cost_one_look() -> None:
    server = _Server()
    look = Look(server.ask, server.now)
    assert await asyncio.gather(*(look.wrong() for _ in range(20))) == [None] * 20
    server.seconds = 0.9
    assert (await look.wrong(), server.looks) == (None, 1)
    server.seconds = 1.0
    assert (await look.wrong(), server.looks) == (None, 2)


async def test_a_server_that_is_away_is_said_in_one_sentence_and_then_well_again() -> None:
    server = _Server()
    look = Look(server.ask, server.now)
    for seconds, error in enumerate((ConnectionRefusedError("secret"), TimeoutError(), asyncpg.CannotConnectNowError("secret"))):
        server.seconds, server.error = float(seconds), error
        assert await look.wrong() == f"the database does not answer ({type(error).__name__})"
    server.seconds, server.error = 9.0, None
    assert await look.wrong() is None
