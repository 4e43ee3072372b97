"""What a log line may hold."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from services.kit import logs
from services.kit.values import NotFound

Lines = Callable[[], list[dict[str, Any]]]
CANARY = "canary-7Q"


@pytest.fixture
def written_to() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def lines(written_to: io.StringIO) -> Iterator[Lines]:
    """The lines written so far, newest last."""
    root = logging.getLogger()
    before = root.handlers[:]
    logs.configure("info", written_to)
    yield lambda: [json.loads(line) for line in written_to.getvalue().splitlines()]
    root.handlers[:] = before
    logs.configure("error")


def test_a_line_is_json_with_the_fields_that_are_listed(lines: Lines) -> None:
    structlog.get_logger("kit").info("relayed", topic="orders.order.v1", count=3, recipient=CANARY)
    (line,) = lines()
    assert (line["event"], line["level"], line["logger"], line["topic"], line["count"]) == ("relayed", "info", "kit", "orders.order.v1", 3)
    assert line["at"].endswith("+00:00")
    assert "recipient" not in line


def test_the_standard_librarys_lines_come_out_the_same_way(lines: Lines) -> None:
    logging.getLogger("foreign").warning("no broker at %s", "127.0.0.1")
    logging.getLogger("foreign").info("fine")
    line, other = lines()
    assert (line["event"], line["level"], line["logger"]) == ("no broker at 127.0.0.1", "warning", "foreign")
    assert other["level"] == "info"


def test_the_level_holds_for_both(lines: Lines, written_to: io.StringIO) -> None:
    logs.configure("warning", written_to)
    for log in (structlog.get_logger("kit"), logging.getLogger("other")):
        log.info("quiet")
        log.warning("loud")
    assert [line["event"] for line in lines()] == ["loud", "loud"]


def test_a_failure_tells_its_places_and_only_our_own_words(lines: Lines) -> None:
    for error in (ValueError(CANARY), NotFound()):
        try:
            raise error
        except (ValueError, NotFound):
            structlog.get_logger("kit").exception("failed")
            logging.getLogger("foreign").exception("failed")
    written = lines()
    assert CANARY not in json.dumps(written)
    assert [line["error"] for line in written] == ["ValueError", "ValueError", "NotFound", "NotFound"]
    assert all("test_kit_logs.py" in line["failure"][0] for line in written)
    assert written[2]["failure"][-1].startswith("NotFound: There is nothing here")


def test_a_line_break_stays_inside_its_line(lines: Lines) -> None:
    structlog.get_logger("kit").info("a\r\nb\x1b[31m")
    assert lines()[0]["event"] == "a\r\nb\x1b[31m"
