"""What must hold in the shop after a run: one answer per order, no unit promised twice, every step said once and in order, both services agreed."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from services.fulfilment.floor.domain.task import TaskState
from services.fulfilment.stock.domain import WantState
from services.orders.domain import State
from simulation.checks import is_unlucky
from simulation.databases import Tables
from simulation.kafka import Broker
from simulation.scenario import Violation

_SAID = ("orders.order.v1", "orders.customer.v1", "fulfilment.work.v1", "fulfilment.stock.v1", "promises.promise.v1")
_REASONS = frozenset({"reference-reused", "unknown-order", "too-late-to-cancel", "order-closed"})


class Story(Protocol):
    """What was sent, and received."""

    submitted: dict[str, dict[str, Any]]
    received: dict[str, int]


def violations(story: Story, tables: Tables, broker: Broker) -> list[Violation]:
    letters = [letter for each in tables.values() for letter in each.get("dead_letters", {}).values()]
    named = {"in order": _in_order(broker), "no oversell": _no_oversell(story, tables["fulfilment"]), "set aside once": _set_aside(letters)}
    if not any(map(is_unlucky, letters)):  # what waits behind one has had no answer yet
        named |= {"one answer": _one_answer(story, tables["orders"]), "agree": _agree(tables)}
    return [Violation(name, sentence) for name, sentences in named.items() for sentence in sentences]


def _in_order(broker: Broker) -> Iterator[str]:
    """Of everything that is said, the versions of one key are 1, 2, 3 ..., however often each came."""
    for topic in _SAID:
        seen, versions = set[bytes | None](), defaultdict[bytes | None, list[int]](list)
        for record in broker.all(topic):
            headers = dict(record.headers)
            if headers["ce_id"] not in seen:
                seen.add(headers["ce_id"])
                versions[record.key].append(int(headers["ce_aggregateversion"] or b"0"))
        for key, found in versions.items():
            if found != list(range(1, len(found) + 1)):
                yield f"{topic} says {key!r} in the order {found}"


def _no_oversell(story: Story, fulfilment: Mapping[str, Any]) -> Iterator[str]:
    """Units on hand are those received; those set apart are those that reserved wants have, and never more than lie there."""
    moved, apart = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for movement in fulfilment.get("movements", {}).values():
        moved[movement.sku, movement.bin] += movement.on_hand
    for want in fulfilment.get("wants", {}).values():
        apart.update({(part.sku, part.bin): 0 for part in want.parts})
        for part in want.parts:
            apart[part.sku, part.bin] += part.quantity
    for shelf in fulfilment.get("shelves", {}).values():
        for bin in shelf.bins:
            if not bin.on_hand >= bin.reserved >= 0:
                yield f"{shelf.sku} {bin.bin}: {bin.reserved} of {bin.on_hand} units are set apart"
            if (bin.on_hand, bin.reserved) != (moved[shelf.sku, bin.bin], apart[shelf.sku, bin.bin]):
                yield f"{shelf.sku} {bin.bin} has {bin.on_hand} units, moved were {moved[shelf.sku, bin.bin]}"
        if sum(bin.on_hand for bin in shelf.bins) != story.received[shelf.sku]:
            yield f"of {shelf.sku} {story.received[shelf.sku]} units were received and {sum(bin.on_hand for bin in shelf.bins)} are there"


def _set_aside(letters: list[Any]) -> Iterator[str]:
    """Only refusals with a reason of the trade; nothing fails and nothing is unreadable."""
    held = {letter["key"] for letter in letters if is_unlucky(letter)}
    for letter in letters:
        refused = letter["kind"] == "refused" and letter["reason"] in _REASONS
        if not refused and not is_unlucky(letter) and not (letter["kind"] == "behind" and letter["key"] in held):
            yield f"{letter['type']} was set aside as {letter['kind']}: {letter['reason']} {letter['detail'][:200]}"


def _one_answer(story: Story, orders: Mapping[str, Any]) -> Iterator[str]:
    """Each reference stands for one order or for none, and then its body was refused."""
    taken = Counter(order.external_ref for order in orders.get("orders", {}).values())
    refused = set(orders.get("refusals", {}).values())
    for reference in story.submitted:
        if taken[reference] + (reference in refused and not taken[reference]) != 1:
            yield f"{reference} stands for {taken[reference]} orders, {'refused' if reference in refused else 'not refused'}"


def _agree(tables: Tables) -> Iterator[str]:
    """A released order has its units and one task; a cancelled one has neither; any other waits for units."""
    wants, tasks = tables["fulfilment"].get("wants", {}), tables["fulfilment"].get("tasks", {})
    for id, order in tables["orders"].get("orders", {}).items():
        want, task = wants.get(id), tasks.get(id)
        found = want and want.state, task and task.state
        ends = {
            State.RELEASED: found == (WantState.RESERVED, TaskState.READY),
            State.CANCELLED: found[0] in (None, WantState.RELEASED) and found[1] in (None, TaskState.CANCELLED),
            State.VALIDATING: found[0] is WantState.SHORT,
        }
        if not ends[order.state]:
            yield f"{order.state} order {id}: want {found[0]}, task {found[1]}, checks {sorted(order.checks)}, holds {order.holds}"
