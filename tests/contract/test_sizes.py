"""Nothing grows past what one reads at once. An exception stands here with its reason, or the file is split."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("services", "deploy", "demo", "bench", "chaos", "simulation", "teeth", "tests")
FUNCTION_LINES, MODULE_LINES, TEST_LINES = 50, 400, 600

EXCEPTIONS: dict[str, str] = {}
"""`path` or `path::function` -> why it may be longer."""


def _files() -> Iterator[Path]:
    return (file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))


def _functions(tree: ast.AST, outer: str = "") -> Iterator[tuple[str, int]]:
    """Every function's dotted name and its length without decorators and docstring."""
    for node in ast.iter_child_nodes(tree):
        name = f"{outer}{getattr(node, 'name', '')}"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) is not None and len(node.body) > 1 else node.body[0]
            header = node.body[0].lineno - node.lineno
            yield name, header + (node.end_lineno or 0) - first.lineno + 1
        inner = f"{name}." if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else outer
        yield from _functions(node, inner)


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{file.relative_to(ROOT)}::{name} has {lines} lines"
        for file in _files()
        for name, lines in _functions(ast.parse(file.read_text(), feature_version=(3, 11)))
        if lines > FUNCTION_LINES and f"{file.relative_to(ROOT)}::{name}" not in EXCEPTIONS
    ]
    assert long == []


def test_no_module_is_longer_than_what_one_reads_at_once() -> None:
    lengths = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in _files()}
    long = {name: lines for name, lines in lengths.items() if lines > (TEST_LINES if name.startswith("tests/") else MODULE_LINES)}
    assert {name: lines for name, lines in long.items() if name not in EXCEPTIONS} == {}


def test_every_exception_is_still_one() -> None:
    assert [name for name in EXCEPTIONS if not (ROOT / name.split("::")[0]).exists()] == []


def test_a_long_function_is_seen() -> None:
    body = "\n".join("    x = 1" for _ in range(51))
    assert list(_functions(ast.parse(f"class A:\n  def f(self):\n{body.replace('    ', '      ')}"))) == [("A.f", 52)]
    assert list(_functions(ast.parse(f'def f():\n    """Doc."""\n{body}'))) == [("f", 52)]
