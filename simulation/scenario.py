"""What is simulated: which services with which handlers, what is done to them, and what must hold when they have come to rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from services.kit.stage import Stage, Timer

if TYPE_CHECKING:
    from simulation.world import World


@dataclass(frozen=True, slots=True)
class Violation:
    """`invariant` is its name; `sentence` says what was found."""

    invariant: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.sentence}"


class Scenario(Protocol):
    """One world's services and story. Made anew for every run."""

    @property
    def workers(self) -> Sequence[tuple[Stage, Sequence[Timer]]]:
        """Each service's stage and timers."""

    @property
    def sent(self) -> int:
        """How many events came from outside."""

    async def play(self, world: "World") -> None:
        """Everything that comes from outside, faults or no faults. Draws its chances from `world.rng` alone."""

    def pending(self, world: "World") -> int:
        """What will still happen by itself, once its time has come."""

    def violations(self, world: "World") -> list[Violation]:
        """What does not hold, told from what is committed and what is in the log."""
