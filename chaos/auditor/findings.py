"""What an audit says: per invariant what was counted, and every violation."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Violation:
    """`invariant` is one of I1 to I11, `clause` a stable slug within it, `what` one sentence with the ids."""

    invariant: str
    clause: str
    what: str


@dataclass(slots=True)
class Finding:
    """What one invariant found. `counted` is how many of each thing were looked at: an invariant that counted nothing has shown nothing."""

    invariant: str
    title: str
    counted: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)

    def expect(self, holds: bool, clause: str, what: str) -> None:
        """Note a violation unless it holds."""
        if not holds:
            self.violations.append(Violation(self.invariant, clause, what))

    def broken(self, clause: str, what: str) -> None:
        """Note a violation."""
        self.violations.append(Violation(self.invariant, clause, what))
