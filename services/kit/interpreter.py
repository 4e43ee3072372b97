"""How Python itself runs in our processes."""

import gc
import sys


def tune_python() -> None:
    """For batches, beside threads; called once everything is imported.

    Python looks for cycles after 700 new objects: many times in each batch, through all that waits to be handled, for nothing. Now at most
    once, and what stands since the start is not looked at again: in an API a look through that took 100 ms, and nobody was answered meanwhile. And
    a thread keeps the interpreter for 5 ms where another waits for it: every answer of PostgreSQL could be held up so long.
    """
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    sys.setswitchinterval(0.0005)
