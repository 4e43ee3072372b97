"""Plants one bug in a copy of the code."""

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

from teeth.mutants import Mutant

ROOT = Path(__file__).parents[1]
COPIED = ("services", "simulation", "schemas", "tests", "deploy", "demo", "pyproject.toml")


class NotPlanted(ValueError):
    """The statement does not stand exactly once where the mutant says."""


def copy_to(folder: Path) -> None:
    """The code and its tests, without what was made from them."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)


def plant(mutant: Mutant, folder: Path) -> None:
    """Raises NotPlanted."""
    path = folder / mutant.file
    tree = ast.parse(path.read_text())
    bodies = [(body, at) for body in _bodies(_function(tree, mutant)) for at, each in enumerate(body) if ast.unparse(each) == mutant.statement]
    if len(bodies) != 1:
        raise NotPlanted(f"{mutant.name}: the statement stands {len(bodies)} times in {mutant.function} of {mutant.file}")
    body, at = bodies[0]
    body[at : at + 1] = ast.parse(mutant.replacement).body if "return" not in mutant.replacement else _inside_a_function(mutant.replacement)
    path.write_text(ast.unparse(ast.fix_missing_locations(tree)))


def _function(tree: ast.Module, mutant: Mutant) -> ast.AST:
    place: ast.AST = tree
    for name in mutant.function.split(".") if mutant.function else ():
        found = [each for each in ast.iter_child_nodes(place) if getattr(each, "name", None) == name]
        if len(found) != 1:
            raise NotPlanted(f"{mutant.name}: there is no {mutant.function} in {mutant.file}")
        place = found[0]
    return place


def _bodies(function: ast.AST) -> Iterator[list[ast.stmt]]:
    """Every list of statements in it, at any depth."""
    for node in ast.walk(function):
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if isinstance(body, list):
                yield body


def _inside_a_function(text: str) -> list[ast.stmt]:
    """Statements of which one returns."""
    wrapper = ast.parse("async def wrapper():\n" + "\n".join(f"    {line}" for line in text.splitlines())).body[0]
    assert isinstance(wrapper, ast.AsyncFunctionDef)
    return wrapper.body
