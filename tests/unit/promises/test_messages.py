"""What is heard reads the golden examples; what is said fits its schema."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from services.kit.values import Heard
from services.promises.dates.domain import Delay, Entry, Kind, Story, Wording, lapse, make, make_later, release, settle
from services.promises.messages import HEARD_TOPICS, HEARS, SAID_OF, line_of, said_of
from services.promises.quoting.domain import make_quote
from tests.unit.promises.events import CANCELLED, DELIVERED, DUE_AT, HAND_OVER, PLACED, PLACED_AT, heard
from tests.unit.promises.quoting_cases import basis, ground

SCHEMAS = Path(__file__).parents[3] / "schemas"
WORDS = Wording("Your order will be at your door by Thursday 26 November.", "en")


def story() -> tuple[Heard[Any], Story, Entry]:
    placed = heard("OrderPlaced", PLACED)
    quote = make_quote(placed.data.ask, basis(ground(), now=PLACED_AT))
    entry = make(placed.data, quote, WORDS, id=placed.id, quote_id=None, now=PLACED_AT, cause=placed.cause)
    return placed, Story(placed.data).after([entry]), entry


def entries() -> list[Entry]:
    """One of each kind."""
    placed, made, first = story()
    quote = make_quote(placed.data.ask, basis(ground(), now=HAND_OVER + timedelta(seconds=1)))
    delay = Delay(placed.data.order_id, HAND_OVER, None, "queue")
    later = make_later(placed.data, quote, WORDS, id=placed.cause.id, old=first.promise, delay=delay, now=PLACED_AT, cause=placed.cause)
    delivered, cancelled = heard("ParcelDelivered", DELIVERED), heard("OrderCancelled", CANCELLED)
    broken = lapse(first.promise, DUE_AT + timedelta(seconds=1))
    assert broken is not None
    evidence = settle(made.after([broken]), delivered.data, DUE_AT, delivered.cause)
    kept = settle(made, delivered.data, PLACED_AT, delivered.cause)
    return [first, later, broken, *evidence, *kept, *release(made, cancelled.data, PLACED_AT, cancelled.cause)]


@pytest.mark.parametrize("type", sorted(HEARS))
def test_the_golden_example_of_what_is_heard_is_read(type: str) -> None:
    owner, name, _ = type.split(".")
    assert heard(name, json.loads((SCHEMAS / owner / f"{name}.v1.example.json").read_text())).data


def test_each_entry_that_is_announced_fits_its_schema() -> None:
    kinds = set()
    for entry in entries():
        kinds.add(entry.kind)
        if entry.kind in SAID_OF:
            name = SAID_OF[entry.kind].split(".")[1]
            schema = json.loads((SCHEMAS / "promises" / f"{name}.v1.json").read_text())
            said = json.loads(msgspec.json.encode(said_of(entry)))
            jsonschema.validate(said, schema | {"additionalProperties": False}, format_checker=jsonschema.FormatChecker())
    assert kinds == set(Kind)


def test_the_ledgers_line_is_the_event_with_sorted_names() -> None:
    for entry in entries():
        line = line_of(entry)
        assert json.loads(line) == json.loads(msgspec.json.encode(said_of(entry)))
        assert line == json.dumps(json.loads(line), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_topics_are_those_whose_events_are_heard() -> None:
    owners = {type.split(".")[0] for type in HEARS}
    assert {topic.split(".")[0] for topic in HEARD_TOPICS} == owners
