"""What our own lines tell of, a line may hold: a field that is not listed is dropped, and the line says half of what was meant."""

import ast
from collections.abc import Iterator
from pathlib import Path

from services.kit.logs import FIELDS

ROOT = Path(__file__).parents[2]
LOGS, METHODS, FAILURE = {"log", "_log"}, {"debug", "info", "warning", "error", "critical", "exception"}, "exc_info"


def _told() -> Iterator[tuple[str, str]]:
    """Where a line is written, and each field that it is given."""
    for path in sorted((ROOT / "services").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(ast.Attribute(ast.Name(log), method), keywords=given) if log in LOGS and method in METHODS:
                    yield from ((f"{path.relative_to(ROOT)}:{node.lineno}", each.arg) for each in given if each.arg and each.arg != FAILURE)


def test_every_field_of_our_lines_is_listed() -> None:
    told = list(_told())
    assert len(told) > 50
    assert [(where, name) for where, name in told if name not in FIELDS] == []
