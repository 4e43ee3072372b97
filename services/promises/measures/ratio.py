"""So many of so many: both numbers are told, so that one of two never reads like fifty of a hundred."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ratio:
    """`numerator` of `denominator`, both counts. Raises ValueError for a part that is more than the whole."""

    numerator: int
    denominator: int

    def __post_init__(self) -> None:
        if not 0 <= self.numerator <= self.denominator:
            raise ValueError(f"{self.numerator} of {self.denominator} is no share: count the part among the whole")

    @property
    def share(self) -> float | None:
        """From 0 to 1; None where there was nothing to count."""
        return self.numerator / self.denominator if self.denominator else None


def ratio(outcomes: Iterable[bool | None]) -> Ratio:
    """How many are true, of those that are known. None is not known yet, or does not count."""
    counted = [outcome for outcome in outcomes if outcome is not None]
    return Ratio(sum(counted), len(counted))
