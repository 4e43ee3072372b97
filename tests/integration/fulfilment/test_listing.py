"""What is asked of the floor all day is found by an index, however many tasks were done before."""

from uuid import UUID

import pytest

from services.fulfilment.floor.domain.task import TaskState
from services.fulfilment.floor.queries import Wanted, listing
from tests.integration.fulfilment.conftest import Fulfilment
from tests.unit.fulfilment.build import SITE, uuid

IN_WORK = (TaskState.READY, TaskState.CLAIMED, TaskState.PICKED)


@pytest.mark.parametrize("after", [None, uuid(1)])
@pytest.mark.parametrize("state", IN_WORK)
async def test_tasks_in_work_are_listed_by_the_index_of_the_queue(shop: Fulfilment, state: TaskState, after: UUID | None) -> None:
    statement, arguments = listing(Wanted(SITE, state, None, after, 100))
    plan = [line for (line,) in await shop.rows(f"explain {statement}", *arguments)]
    assert any("using pick_tasks_queue on pick_tasks" in line for line in plan), plan
    assert not any("Seq Scan" in line or "Sort" in line for line in plan), plan


async def test_a_pickers_own_task_is_found_by_who_holds_it(shop: Fulfilment) -> None:
    statement, arguments = listing(Wanted(None, None, "ann", None, 20))
    plan = [line for (line,) in await shop.rows(f"explain {statement}", *arguments)]
    assert any("using pick_tasks_holder on pick_tasks" in line for line in plan), plan
