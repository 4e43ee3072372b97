"""Scans, undone scans, and shelves that come up short."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from services.fulfilment.floor.domain.refusals import AlreadyPacked, NotOpen, NotShort, TooMany, UnknownCode, WrongBin, WrongItem
from services.fulfilment.floor.domain.task import Item, PickLine, Spot, Task, TaskState, belongs, walk


def pick(task: Task, code: str, items: Sequence[Item], quantity: int, bin: str | None, now: datetime) -> tuple[Task, PickLine]:
    """The task after a scan, and the line it fell on. `items` are all that answer to the code.

    Raises NotOpen, UnknownCode, WrongItem, WrongBin or TooMany; each says what to do instead.
    """
    if task.state is not TaskState.CLAIMED:
        raise NotOpen(f"The task is {task.state}: there is nothing left to scan.", state=task.state)
    if not items:
        raise UnknownCode("No item has this code: scan the item's own barcode, or type its SKU.")
    lines = [line for line in task.lines if line.sku in {item.sku for item in items}]
    if not lines:
        raise _wrong_item(items[0], task)
    there = [line for line in lines if bin in (None, line.bin)]
    if not there:
        raise WrongBin(f"{lines[0].sku} is to be taken from bin {lines[0].bin}, not from this one.", sku=lines[0].sku, bin=lines[0].bin)
    line = next((line for line in there if line.left), there[0])
    if quantity > line.left:
        sentence = f"{line.left} more of {line.sku} are wanted from bin {line.bin}: put the rest back." if line.left else f"{line.sku} is complete."
        raise TooMany(sentence, sku=line.sku, bin=line.bin, wanted=line.left, scanned=quantity)
    return _with_picked(task, line, quantity, now), line._replace(picked=line.picked + quantity)


def undo(task: Task, position: int, quantity: int) -> Task:
    """The task before its last scan. Raises AlreadyPacked."""
    if task.state not in (TaskState.CLAIMED, TaskState.PICKED):
        raise AlreadyPacked("The order is packed: unpack it first.", state=task.state)
    lines = tuple(line._replace(picked=line.picked - quantity) if line.position == position else line for line in task.lines)
    return replace(task, lines=lines, state=TaskState.CLAIMED, picked_at=None)


def come_up_short(task: Task, line: int, found: int) -> tuple[PickLine, int]:
    """The stop that is short, and how many units are missing there. `found` counts the units scanned there as well. Raises NotShort or NotOpen."""
    if task.state is not TaskState.CLAIMED:
        raise NotOpen(f"The task is {task.state}: nothing can be short now.", state=task.state)
    stop = next((each for each in task.lines if each.line == line and each.left), None)
    if stop is None:
        raise NotShort(f"Line {line} has nothing left to pick.", line=line)
    if not stop.picked <= found < stop.quantity:
        sentence = f"Bin {stop.bin} is to give {stop.quantity} and {stop.picked} are scanned: say how many of them are there, scanned ones included."
        raise NotShort(sentence, line=line, bin=stop.bin, wanted=stop.quantity, picked=stop.picked)
    return stop, stop.quantity - found


def shorten(task: Task, stop: PickLine, gone: int, elsewhere: Sequence[Spot], short: bool, now: datetime) -> Task:
    """The task after a shelf came up short: the rest is taken elsewhere, or the order is put aside and the picker is free. Where the rest is not
    waited for, it may be picked now."""
    cut = stop._replace(quantity=stop.quantity - gone)
    kept = tuple(cut if line == stop else line for line in task.lines if line != stop or cut.quantity)
    if short:
        return replace(task, lines=kept, state=TaskState.SHORT, hold=None)
    last = max(line.position for line in task.lines)
    return _finished(replace(task, lines=(*kept, *walk(elsewhere, last + 1))), now)


def _with_picked(task: Task, line: PickLine, quantity: int, now: datetime) -> Task:
    lines = tuple(each._replace(picked=each.picked + quantity) if each == line else each for each in task.lines)
    return _finished(replace(task, lines=lines), now)


def _finished(task: Task, now: datetime) -> Task:
    """Picked once every line is."""
    done = bool(task.lines) and task.next_line is None
    return replace(task, state=TaskState.PICKED, picked_at=now) if done else task


def _wrong_item(item: Item, task: Task) -> WrongItem:
    wanted = task.next_line
    instead = f" Wanted is {wanted.sku} from bin {wanted.bin}." if wanted else ""
    sentence = f"This is {item.description or item.sku} ({item.sku}), which is not in this order: {belongs(item)}.{instead}"
    return WrongItem(sentence, sku=item.sku, description=item.description, bins=item.bins)
