"""What the demo says at its end: the day as a table, the books compared, and where to look."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def show(figures: dict[str, Any], *, seconds: float, kept: bool) -> None:
    """Print the table; `seconds` is how long the whole run took."""
    console = Console(width=100, highlight=False)
    table = Table(title="One day, from click to door", title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in _rows(figures):
        table.add_row(name, value)
    console.print(table)
    books = Table(title="\nThe books", title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    for check in figures["checks"]:
        books.add_row("agrees" if check["holds"] else "DIFFERS", check["about"], f"{check['one']:,}", f"{check['other']:,}")
    console.print(books)
    verdict = "Everything reconciles" if figures["reconciled"] else "The books do not agree"
    console.print(f"\n{verdict}; {seconds:.0f} s in all. The figures: var/demo.json.")
    if kept:
        console.print("The stack is still up: `python -m deploy.local status --var var/demo` shows its addresses, `down` stops it.")


def write(figures: dict[str, Any], path: Path) -> None:
    """The figures as JSON; the same in every run of the same version."""
    path.write_text(json.dumps(figures, indent=2) + "\n")


def _rows(figures: dict[str, Any]) -> list[tuple[str, str]]:
    orders, promises, door = figures["orders"], figures["promises"], figures["click_to_door_minutes"]
    return [
        ("Orders placed", f"{orders['placed']}, and {orders['refused']} refused for what was wrong with them"),
        ("  delivered", f"{orders['delivered']}"),
        ("  cancelled", f"{orders['cancelled']}"),
        ("  open", f"{orders['open']}"),
        ("Promises made", f"{promises['made']}"),
        ("  kept", f"{promises['kept']}"),
        ("  broken", f"{promises['broken']}"),
        ("  released by a cancel", f"{promises['released']}"),
        ("  open", f"{promises['open']}"),
        ("Click to door", f"p50 {_hours(door['p50'])}, p95 {_hours(door['p95'])}, longest {_hours(door['max'])}"),
        ("Surprise upgrades", f"{figures['upgrades']}"),
        ("Messages sent", f"{figures['messages']}"),
        ("Lines scanned", f"{figures['scans']:,}"),
        ("Set aside", f"{figures['dead_letters']} (cancels of orders that nobody knows)"),
        ("Lost", f"{figures['lost']}"),
        ("Doubled", f"{figures['doubled']}"),
    ]


def _hours(minutes: int) -> str:
    days, rest = divmod(minutes, 1440)
    return f"{days} d {rest // 60} h" if days else f"{rest // 60} h {rest % 60:02d} min"
