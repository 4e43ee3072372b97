"""What a person sees while a stack starts: one line per step, with a moving mark where the output is a terminal."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Progress:
    """Writes to standard error, so that what a command prints stays clean."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show the step while the block runs, and how long it took once it succeeded."""
        started = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(text):
                yield
        else:
            yield
        self._console.print(f"  [green]✓[/green] {text} [dim]({time.monotonic() - started:.1f} s)[/dim]", soft_wrap=True)

    def refuse(self, sentence: str) -> None:
        """Say why nothing came of it."""
        self._console.print(sentence, style="red" if self._console.is_terminal else None, markup=False, soft_wrap=True)
        sys.stderr.flush()
