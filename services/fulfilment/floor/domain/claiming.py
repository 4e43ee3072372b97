"""Who has the task: claim, put back, and whose word counts."""

from dataclasses import replace
from datetime import datetime

from services.fulfilment.floor.domain.refusals import NotOpen, StaleClaim, TaskTaken
from services.fulfilment.floor.domain.task import Hold, Task, TaskState


def claim(task: Task, by: str, now: datetime) -> Task:
    """The task in this picker's hands, under a new fence. Raises TaskTaken or NotOpen."""
    if task.state not in (TaskState.READY, TaskState.CLAIMED, TaskState.PICKED):
        raise NotOpen(f"The task is {task.state}: claim the next one.", state=task.state)
    if task.hold and task.hold.live and task.hold.by != by:
        sentence = f"The task is with {task.hold.by} since {task.hold.at.isoformat(timespec='seconds')}: claim the next one."
        raise TaskTaken(sentence, claimed_by=task.hold.by, claimed_at=task.hold.at)
    state = TaskState.CLAIMED if task.state is TaskState.READY else task.state
    return replace(task, state=state, fence=task.fence + 1, hold=Hold(by, now, live=True), first_claimed_at=task.first_claimed_at or now)


def put_back(task: Task, by: str, fence: int) -> Task:
    """The task free for the next picker, with what was picked so far. Raises StaleClaim."""
    refuse_stale(task, by, fence)
    return _freed(task)


def take_back(task: Task, fence: int) -> Task:
    """The task out of the hands of whoever has it under this fence, free for the next picker. Raises StaleClaim when it changed hands since."""
    if task.hold is None or task.fence != fence:
        raise StaleClaim("The task changed hands since you looked: look again.", state=task.state, fence=task.fence)
    return _freed(task)


def stop(task: Task) -> Task:
    """The task out of everybody's hands, as its order is about to be changed: what was picked stays picked, and no scan of an older claim counts."""
    return replace(_freed(task), fence=task.fence + 1, changing=True)


def _freed(task: Task) -> Task:
    return replace(task, hold=None, state=TaskState.READY if task.state is TaskState.CLAIMED else task.state)


def refuse_stale(task: Task, by: str, fence: int) -> None:
    """Raises StaleClaim unless this claim is the task's newest and still holds it."""
    if task.hold is None:
        why = "The order is being changed: set the tote aside and" if task.changing else "The task is no longer yours:"
        raise StaleClaim(f"{why} claim the next one.", state=task.state, fence=task.fence)
    if task.fence != fence or task.hold.by != by:
        sentence = f"The task is with {task.hold.by} since {task.hold.at.isoformat(timespec='seconds')}: stop here and claim the next one."
        raise StaleClaim(sentence, claimed_by=task.hold.by, claimed_at=task.hold.at, fence=task.fence)
