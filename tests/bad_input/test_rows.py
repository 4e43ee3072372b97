"""Every row is held by tests that exist, or docs/reliability.md says why there is nothing to hold."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.bad_input.rows import HELD, NOT_THERE

ROOT = Path(__file__).parents[2]


@cache
def _tests(path: str) -> frozenset[str]:
    file = ROOT / path
    return frozenset(node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("row", HELD)
def test_a_row_is_held(row: str) -> None:
    assert HELD[row]
    assert [each for each in HELD[row] if each.partition("::")[2] not in _tests(each.partition("::")[0])] == []


def test_the_rows_that_hold_nothing_are_documented() -> None:
    section = (ROOT / "docs/reliability.md").read_text().partition("## Bad input")[2].partition("\n## ")[0]
    told = {line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| ") and not line.startswith("| row")}
    assert told == set(NOT_THERE)
