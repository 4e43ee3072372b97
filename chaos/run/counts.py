"""How much of its fault a row makes each time it befalls the bed: little in a quick run, and in a longer one what the fault matrix says, as far as
half an hour bears it.

The matrix counts a release, not a run: its thousands are sums over many runs, and `faults` in var/chaos.json says what each of them reached. So a
visit at full counts keeps the matrix's seconds where it can, and repeats as often as leaves room for every other row: one pass through all,
recoveries included, takes 23 minutes on a machine that does nothing else. What a row that is not counted here does never changes.
"""

from dataclasses import dataclass

Span = tuple[float, float]
"""Seconds, from and to: drawn anew each time."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The row's number stands beside each; the defaults are those of a quick run."""

    crashes: int = 10  # 1
    crash_pause: Span = (0.5, 3)  # 1: from one process being back to the death of the next
    pause: Span = (35, 35)  # 4
    database_crashes: int = 3  # 7
    hang_seconds: float = 30  # 8
    hold: Span = (12, 12)  # 12
    leaders: int = 2  # 13
    leader_pause_seconds: float = 5  # 13
    away_seconds: float = 60  # 14
    freezes: int = 1  # 15: each 45 s, and 20 s thawed
    rebalances: int = 10  # 19
    slow_heads: int = 1  # 20
    backlog_seconds: float = 60  # 32
    races_of_three: int = 195  # 34
    races_of_fifty: int = 5  # 34


QUICK = Counts()

FULL = Counts(
    crashes=20,
    crash_pause=(1, 6),  # a process is back after two to four seconds: one is killed each 3 to 10 s
    pause=(5, 90),
    database_crashes=6,
    hang_seconds=60,
    hold=(5, 28),  # at 30 s PostgreSQL ends a transaction that stands still
    leaders=3,
    leader_pause_seconds=30,  # the matrix's minute between two kills is for the stall, of which 30 s are allowed
    away_seconds=180,  # of the matrix's 300: with them this row would take a fifth of the pass
    freezes=3,
    rebalances=30,
    slow_heads=3,
    backlog_seconds=90,  # of the matrix's 30 minutes, in which nothing else could befall
    races_of_three=975,  # with the rounds of fifty a tenth of the matrix
    races_of_fifty=25,
)
