"""Reads `matrix.toml`: who gets what answer."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

WHOSE = ("mine", "theirs", "missing")
_READ = tomllib.loads((Path(__file__).parent / "matrix.toml").read_text())
ROLES: tuple[str, ...] = tuple(_READ["columns"].split())
"""`none`, and every role, in the order of the columns."""

SERVICES = ("orders", "promises", "loyalty", "notifications", "fulfilment", "issuer")


@dataclass(frozen=True)
class Cell:
    """What a role is answered by an operation, and how far the policy must let it see."""

    scope: str
    mine: str
    theirs: str
    missing: str

    @property
    def is_refused(self) -> bool:
        """Whether this role is sent away before anything is read."""
        return self.mine in ("401", "403")


_ANSWERS = {name: Cell(**answer) for name, answer in _READ["answers"].items()}


def rows(service: str) -> Mapping[str, Mapping[str, Cell]]:
    """By operation, as `GET /v1/orders`: the cell of each role. Raises ValueError where a row has too few or too many."""
    return {operation: {role: _ANSWERS[word] for role, word in zip(ROLES, row.split(), strict=True)} for operation, row in _READ[service].items()}
