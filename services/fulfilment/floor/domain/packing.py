"""The order into its carton and out again."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.fulfilment.floor.domain.refusals import NotPicked, WeightOff
from services.fulfilment.floor.domain.task import Carton, Hold, Task, TaskState

CARTON_GRAMS: Mapping[Carton, int] = {Carton.S1: 60, Carton.S2: 90, Carton.M1: 150, Carton.M2: 220, Carton.L1: 350, Carton.L2: 500}


def pack(task: Task, carton: Carton, weight_grams: int, parcel_id: UUID, by: str, expected: int | None, confirmed: bool, now: datetime) -> Task:
    """The order in its carton. `expected` is the weight of the items, None where one is unknown. Raises NotPicked or WeightOff."""
    if task.state is not TaskState.PICKED:
        raise NotPicked("The order is not picked yet: scan every line first.", state=task.state, left=sum(line.left for line in task.lines))
    if expected is not None and not confirmed and _off(weight_grams, expected + CARTON_GRAMS[carton]):
        expected += CARTON_GRAMS[carton]
        sentence = f"The scale says {weight_grams} g where {expected} g are expected: check what is in the carton, or confirm the weight."
        raise WeightOff(sentence, weight_grams=weight_grams, expected_grams=expected)
    return replace(
        task, state=TaskState.PACKED, hold=None, parcel_id=parcel_id, carton=carton, weight_grams=weight_grams, packed_by=by, packed_at=now
    )


def unpack(task: Task, by: str, now: datetime) -> Task:
    """The order out of its carton again, in this person's hands."""
    hold = Hold(by, now, live=True)
    bare = replace(task, parcel_id=None, carton=None, weight_grams=None, packed_by=None, packed_at=None)
    return replace(bare, state=TaskState.PICKED, hold=hold, fence=task.fence + 1)


def _off(weight: int, expected: int) -> bool:
    """More than a fifth and more than 200 g from what is expected."""
    return abs(weight - expected) > max(200, expected // 5)
