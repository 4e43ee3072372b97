"""What an agent promises by the interfaces of a whole stack: one is kept, one is broken and made good, and every department holds the same."""

from datetime import timedelta
from typing import Any

from demo import day
from demo.house import Caller
from services.kit.ids import uuid7
from services.promises.ledger.compensating import compensation_id
from tests.e2e.today import Customer, Today
from tests.support.polling import poll_until


async def test_one_is_kept_one_is_made_good_and_all_departments_agree(today: Today) -> None:
    care = today.house.caller("care", "care-7")
    kept, broken = [await _promise(care, today, kind) for kind in ("call_back", "answer_by")]
    await _post(care, f"/v1/promises/{kept}/acknowledgements", {"department": "care", "seen": True})
    shown = {"id": str(uuid7()), "type": "called", "at": today.at("09:00").isoformat()}
    await _post(care, f"/v1/promises/{kept}/evidence", shown)
    assert (await _read(care, f"/v1/promises/{kept}"))["verdict"] == "kept"

    await today.until(today.at("10:01"))
    lost = await poll_until(lambda: _with(care, broken, "broken"))
    assert lost["settled_at"] == lost["due"]["at"]
    good = await _read(care, f"/v1/promises/{compensation_id(broken)}")
    assert (good["kind"], good["amount_minor"], good["cause"]) == ("refund", 500, broken)

    async def agree() -> Any:
        board = await _read(care, "/v1/agreement")
        return board if board["agree"] and board["position"] >= 6 else None

    board = await poll_until(agree, 120)
    assert {each["view"] for each in board["views"]} == {"fulfilment", "loyalty", "notifications", "orders"}
    assert [each["count"] >= 3 for each in board["views"]] == [True] * 4


async def _promise(care: Caller, today: Today, kind: str) -> str:
    """Looked at, then promised by ten o'clock: its id."""
    due = {"said": (today.at("09:00") + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M"), "zone": str(day.ZONE)}
    asked = {"customer_id": str(Customer("listener").id), "order_id": str(uuid7()), "kind": kind, "due": due, "currency": "USD"}
    seen = (await care.post("promises", "/v1/promises:dry-run", asked)).json()
    promise_id = str(uuid7())
    receipt = await _post(care, "/v1/promises", asked | {"promise_id": promise_id, "preview": seen["preview"]})
    assert receipt["seq"] == 1
    assert (await _read(care, f"/v1/promises/{promise_id}"))["customer_text"] == seen["customer_text"]
    return promise_id


async def _with(care: Caller, promise_id: str, verdict: str) -> dict[str, Any] | None:
    view = await _read(care, f"/v1/promises/{promise_id}")
    return view if view["verdict"] == verdict else None


async def _post(care: Caller, path: str, body: object) -> dict[str, Any]:
    answered: dict[str, Any] = (await care.post("promises", path, body, idempotency_key=str(uuid7()))).json()
    return answered


async def _read(care: Caller, path: str) -> dict[str, Any]:
    answered: dict[str, Any] = (await care.get("promises", path)).json()
    return answered
