"""What the worker does for promises: takes them over as they are made and settled, and asks about holds that nobody confirmed."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from services.fulfilment.duties import handlers
from services.fulfilment.duties.domain import Hold, HoldState
from services.fulfilment.duties.house import HouseSql, at_work
from services.fulfilment.duties.store import differing, unsure
from services.fulfilment.settings import fulfilment_settings
from services.kit.calling import Away, call
from services.kit.database import Database, Transaction
from services.kit.promise.duties import Bound, Duties
from services.kit.promise.state import Department, Verdict
from services.kit.stage import Errand
from services.kit.trace import own_cause

_UNSURE_AFTER = timedelta(minutes=2)
_ENDED = frozenset({Verdict.RELEASED, Verdict.VOID})


async def take(work: Transaction, changed: Sequence[Bound]) -> None:
    """What was promised stays held; what was released or was a mistake is let go, while it lies on the shelf."""
    made = [bound.promise.promise_id for bound in changed if bound.before is None]
    ended = [bound.promise.promise_id for bound in changed if bound.promise.stands.verdict in _ENDED]
    async with at_work(work) as house:
        held = {each.wanted.promise_id: each for each in await _holds(house, {*made, *ended})}
        await handlers.confirm(house, [held[id] for id in made if id in held and id not in ended])
        await handlers.free(house, [held[id] for id in ended if id in held], own_cause())


DUTIES = Duties(frozenset({Department.WAREHOUSE, Department.DELIVERY}), take, differing=differing)


async def ask_about_holds(database: Database) -> int:
    """Of holds that nobody confirmed in two minutes the ledger says whether they were promised; where not, it never will promise them, and they are
    free. While it does not answer they are kept."""
    async with database.transaction() as work:
        ids = await unsure(work, _UNSURE_AFTER)
    for promise_id in ids:
        promised = await _is_promised(promise_id)
        async with database.transaction() as work, at_work(work) as house:
            holds = [each for each in await _holds(house, [promise_id]) if each.state is HoldState.HELD]
            await (handlers.confirm(house, holds) if promised else handlers.free(house, holds, own_cause()))
    return len(ids)


ERRANDS = (Errand("promise holds", ask_about_holds),)


async def _is_promised(promise_id: UUID) -> bool:
    settings = fulfilment_settings()
    answered = await call(settings, "fulfilment", "POST", f"{settings.promises_url}/v1/promises/{promise_id}/abandonment")
    if answered.status_code not in (200, 409):
        raise Away(f"the ledger answered {answered.status_code}")
    told: dict[str, Any] = msgspec.json.decode(answered.content)
    return answered.status_code == 200 or not str(told.get("type", "")).endswith(":given-up")


async def _holds(house: HouseSql, ids: Collection[UUID]) -> list[Hold]:
    """The holds of these promises, locked behind the tasks of their orders, as everywhere here."""
    await house.floor.of_orders([], also=await house.holds.orders_of(ids))
    return await house.holds.of_promises(ids)
