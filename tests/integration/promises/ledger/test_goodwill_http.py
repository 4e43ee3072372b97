"""An agent grants at once, within the budget and above it; what went above is listed until somebody looked at it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.kit.clock import FixedClock
from tests.integration.promises.ledger.speaking import Speaking, promise_body, speaking


@pytest.fixture
async def ledger(database_url: str, tmp_path: Path, clock: FixedClock) -> AsyncIterator[Speaking]:
    async with speaking(database_url, tmp_path, clock) as opened:
        yield opened


async def _grant(ledger: Speaking, amount: int, agent: str = "care-7") -> str:
    body = promise_body(kind="refund", amount_minor=amount)
    asked = {name: value for name, value in body.items() if name != "promise_id"}
    seen = (await ledger.post("/v1/promises:dry-run", asked, None, "care", agent)).json()
    granted = await ledger.post("/v1/promises", body | {"preview": seen["preview"]}, "", "care", agent)
    assert granted.status_code == 201, granted.text
    return str(body["promise_id"])


async def _given(ledger: Speaking, role: str = "planner", subject: str = "lead") -> dict[str, Any]:
    told: dict[str, Any] = (await ledger.get("/v1/goodwill", role, subject)).json()
    return told


async def test_above_the_budget_it_is_granted_all_the_same_and_looked_at_afterwards(ledger: Speaking) -> None:
    await _grant(ledger, 8000)
    above = await _grant(ledger, 3000)
    await _grant(ledger, 500, "care-8")
    told = await _given(ledger)
    assert [(each["agent"], each["granted_minor"], each["left_minor"], each["above"]) for each in told["given"]] == [
        ("care-7", 11000, 0, [above]), ("care-8", 500, 9500, []),
    ]  # fmt: skip
    assert told["to_review"] == [above]
    first = await ledger.post(f"/v1/goodwill/{above}/review", {"remark": "She was right."}, None, "planner", "lead")
    again = await ledger.post(f"/v1/goodwill/{above}/review", {"remark": "Me too."}, None, "admin", "boss")
    assert first.json() == again.json()
    assert (await _given(ledger))["to_review"] == []
    assert (await ledger.standing(above))["verdict"] == "open"


async def test_an_agent_sees_their_own(ledger: Speaking) -> None:
    await _grant(ledger, 8000)
    await _grant(ledger, 500, "care-8")
    assert [each["agent"] for each in (await _given(ledger, "care", "care-8"))["given"]] == ["care-8"]


async def test_a_void_gives_the_budget_back_and_what_the_tariff_pays_is_no_grant(ledger: Speaking) -> None:
    promise_id = await _grant(ledger, 8000)
    await ledger.post(f"/v1/promises/{promise_id}/void", {"reason": "typed twice"}, "", "care", "care-7")
    await ledger.promise(kind="refund", amount_minor=700)
    (mine,) = (await _given(ledger))["given"]
    assert (mine["agent"], mine["granted_minor"], mine["left_minor"]) == ("care-7", 0, 10000)
    assert await ledger.count("ledger_goodwill") == 2


async def test_what_is_no_grant_cannot_be_reviewed(ledger: Speaking) -> None:
    promise_id = (await ledger.promise())["promise_id"]
    answered = await ledger.post(f"/v1/goodwill/{promise_id}/review", {"remark": "?"}, None, "planner", "lead")
    assert answered.status_code == 404


@pytest.mark.parametrize("day", ["2026-02-30", "9999-12-31", "0", "today"])
async def test_a_day_that_the_calendar_lacks_is_refused(ledger: Speaking, day: str) -> None:
    assert (await ledger.get(f"/v1/goodwill?day={day}", "planner", "lead")).status_code == 422
    assert (await ledger.get("/v1/goodwill?day=2026-11-29", "planner", "lead")).json()["day"] == "2026-11-29"
