"""The one shape of every figure: ours, our peers' from the same run, and how they compare. var/bench.json is a list of these."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

Compared = Literal["ours", "ratio_to_best_peer", "ratio_to_raw"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The target of a row: `figure` is at least, or at most, `limit`."""

    limit: float
    figure: Compared = "ours"
    at_most: bool = False

    def __str__(self) -> str:
        return f"{self.figure} {'at most' if self.at_most else 'at least'} {self.limit:,g}"


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. `peers` by name; `raw` names the one among them that does the least that can be done. `less_is_better` for latencies, CPU and
    memory. `elsewhere`: the peers were measured in another run, so that the ratios are a hint. `more` is what stands beside: percentiles, CPU."""

    name: str
    unit: str
    ours: float
    peers: Mapping[str, float] = field(default_factory=dict)
    raw: str = ""
    less_is_better: bool = False
    elsewhere: bool = False
    wanted: Wanted | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ratio_to_best_peer(self) -> float | None:
        """Above one where we are better, whichever way is better. None without peers."""
        if not self.peers:
            return None
        return self._ratio(min(self.peers.values()) if self.less_is_better else max(self.peers.values()))

    @property
    def ratio_to_raw(self) -> float | None:
        return self._ratio(self.peers[self.raw]) if self.raw else None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.wanted is None:
            return None
        figure: float = getattr(self, self.wanted.figure)
        return figure <= self.wanted.limit if self.wanted.at_most else figure >= self.wanted.limit

    def told(self) -> dict[str, Any]:
        """As it is written."""
        fixed = {"name": self.name, "unit": self.unit, "ours": self.ours, "peers": dict(self.peers)}
        ratios = {"ratio_to_best_peer": self.ratio_to_best_peer, "ratio_to_raw": self.ratio_to_raw}
        target = {"wanted": str(self.wanted), "met": self.met} if self.wanted else {}
        marks = {"peers_measured_elsewhere": True} if self.elsewhere else {}
        return {**fixed, **ratios, **target, **marks, **self.more}

    def _ratio(self, peer: float) -> float | None:
        over, under = (peer, self.ours) if self.less_is_better else (self.ours, peer)
        return round(over / under, 2) if under else None


def write(path: Path, rows: Iterable[Row]) -> None:
    """All rows as one JSON list; a row that was measured earlier, under the same name, is replaced, and the others stay."""
    fresh = {row.name: row.told() for row in rows}
    before = json.loads(path.read_text()) if path.exists() else []
    kept = {row["name"]: row for row in before if isinstance(row, dict)} if isinstance(before, list) else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(list((kept | fresh).values()), indent=2) + "\n")


def show(console: Console, rows: Iterable[Row]) -> None:
    """One table: a line per figure, one more per peer, and for each target whether it was met."""
    table = Table("what", "unit", "figure", "ours / it", "target", box=None)
    for row in rows:
        target = "" if row.wanted is None else f"{'met' if row.met else 'MISSED'}: {row.wanted}"
        table.add_row(row.name, row.unit, _figure(row.ours), "", target)
        for peer, figure in row.peers.items():
            elsewhere = " (measured elsewhere)" if row.elsewhere else ""
            ratio = row._ratio(figure)
            table.add_row(f"  {peer}{elsewhere}", "", _figure(figure), "" if ratio is None else f"{ratio:.2f}", "")
        if row.more:
            table.add_row("  " + ", ".join(f"{name} {_figure(value)}" for name, value in row.more.items()), "", "", "", "")
    console.print(table)


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
