"""What the page of agreement says: who holds the same as the ledger, in sentences, from the board alone. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from services.kit.durations import two_units
from services.promises.ledger.board import SILENT_AFTER, Board, ViewStanding, named

DEPARTMENTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "fulfilment": ("Fulfilment", "picking, packing and the dock"),
        "loyalty": ("Loyalty", "upgrades"),
        "notifications": ("Notifications", "what customers are told"),
        "orders": ("Orders", "the customer's page and payments"),
    }
)
"""What people call who holds a view, and what hangs on it."""

_COUNTED = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_HEX = 8


@dataclass(frozen=True, slots=True)
class Row:
    """One department in the table. `state` is kept, stale or broken; the rest is what stands in its cells."""

    view: str
    name: str
    about: str
    state: str
    lag: str
    position: str
    promises: str
    differs: str
    mended: str
    root: str
    proof: str
    witnessed: str


def present(board: Board) -> dict[str, Any]:
    """Everything the template shows."""
    rows = [_row(board, each) for each in board.views]
    return {
        "board": board,
        "state": _state(board, rows),
        "headline": _headline(board, rows),
        "explained": _explained(board, rows),
        "as_of": _as_of(board, rows),
        "age": f"{two_units(max(told))} ago" if (told := _ages(board)) else "",
        "rows": rows,
        "length": f"{board.size:,}",
        "differing": [_difference(board, each) for each in board.views if each.state == "differs"],
        "found": [{"name": name_of(each.view), "found": each, "now": _is_open(board, each.view, each.position)} for each in board.found],
        "witnesses": f"{sum(each.witnessed == board.size for each in board.views)} of {len(board.views)} have seen this length signed",
    }


def name_of(view: str) -> str:
    """What people call the department."""
    return DEPARTMENTS[view][0]


def joined(parts: Sequence[str]) -> str:
    """`a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _row(board: Board, view: ViewStanding) -> Row:
    name, about = DEPARTMENTS[view.view]
    if view.reported_at is None or view.position is None:
        return Row(view.view, name, about, "stale", "no report", "unknown", "unknown", "unknown", "0", "none", "never", "")
    age = two_units(board.now - view.reported_at)
    equal = {"differs": "not equal"}.get(view.state, "equal")
    return Row(
        view.view, name, about, _row_state(view), _lag(board, view), f"{view.position:,}", f"{view.count:,}",
        _differs(board, view), f"{view.mended:,}", _short(view.root or ""), f"{equal} at #{view.position:,}, {age} ago",
        f"has seen #{view.witnessed:,} signed",
    )  # fmt: skip


def _row_state(view: ViewStanding) -> str:
    if view.state in ("differs", "silent"):
        return {"differs": "broken", "silent": "stale"}[view.state]
    return "stale" if _is_late(view) else "kept"


def _is_late(view: ViewStanding) -> bool:
    """Whether it lacks what it should have heard of by now: between two reports everybody lacks something."""
    return view.state == "behind" and (view.lag_seconds or 0) > SILENT_AFTER.total_seconds()


def _lag(board: Board, view: ViewStanding) -> str:
    if view.state == "silent" and view.reported_at:
        return f"no report for {two_units(board.now - view.reported_at)}"
    if not view.lag:
        return "none"
    return f"{_of(view.lag, 'entry', 'entries')}, {two_units(timedelta(seconds=view.lag_seconds or 0))}"


def _differs(board: Board, view: ViewStanding) -> str:
    if view.state == "silent":
        return "unknown"
    if view.state != "differs":
        return "0"
    return f"{len(ids)} found" if (ids := [*view.altered, *named(board, view)]) else "being looked for"


def _state(board: Board, rows: Sequence[Row]) -> str:
    if not board.size:
        return "part"
    states = {row.state for row in rows}
    return "broken" if "broken" in states else "risk" if "stale" in states else "kept"


def _headline(board: Board, rows: Sequence[Row]) -> str:
    if not board.size:
        return "Nothing is promised yet."
    broken = [row for row in rows if row.state == "broken"]
    if broken:
        return f"{joined([row.name for row in broken])} {'does' if len(broken) == 1 else 'do'} not hold what the ledger holds."
    stale = [each for each, row in zip(board.views, rows, strict=True) if row.state == "stale"]
    if stale:
        return f"{joined([_is_stale(board, each) for each in stale])}."
    counts = {row.promises for row in rows}
    how_many = f" {_of(board.views[0].count or 0, 'promise', 'promises')}" if len(counts) == 1 else " promises"
    return f"All {_number(len(rows))} departments hold the same{how_many}."


def _is_stale(board: Board, view: ViewStanding) -> str:
    name = name_of(view.view)
    if view.reported_at is None:
        return f"{name} never reported"
    if view.state == "silent":
        return f"{name} has not reported for {two_units(board.now - view.reported_at)}"
    return f"{name} is {two_units(timedelta(seconds=view.lag_seconds or 0))} behind"


def _explained(board: Board, rows: Sequence[Row]) -> str:
    state = _state(board, rows)
    if state == "part":
        return "The ledger has no entry. Each department tells of its view every ten seconds, and stands below once it has."
    if state == "broken":
        if any(each.altered for each in board.views):
            return "The work of a department is not what was promised: a person has to look at what is named below."
        return "What differs is put anew from its entries at once; the next report, within ten seconds, says whether it is equal then."
    if state == "risk":
        return "What they hold may be old: pages that read from them may lack what was promised last."
    last = f"Last difference: {name_of(board.found[0].view)}, one promise, put anew." if board.found else "No difference was ever found."
    return f"Each computed them anew from its own tables within the last {two_units(max(_ages(board)))}. {last}"


def _as_of(board: Board, rows: Sequence[Row]) -> str:
    """How far everybody was compared, and with what outcome."""
    positions = [each.position or 0 for each in board.views]
    verified = sum(row.state == "kept" for row in rows)
    how = "verified" if verified == len(rows) else f"verified in {verified} of {len(rows)} departments"
    return f"As of #{min(positions):,}, {how}" if verified == len(rows) else f"As of #{board.size:,}, {how}"


def _difference(board: Board, view: ViewStanding) -> dict[str, Any]:
    found = {"promises": list(named(board, view)), "altered": list(view.altered)}
    return {"view": view.view, "name": name_of(view.view), "position": f"{view.position:,}", **found}


def _is_open(board: Board, view: str, position: int) -> bool:
    """Whether the view has not yet told that it is equal again."""
    return any(each.state == "differs" and (each.view, each.position) == (view, position) for each in board.views)


def _ages(board: Board) -> list[timedelta]:
    return [board.now - each.reported_at for each in board.views if each.reported_at]


def _short(root: str) -> str:
    return f"{root[:4]} {root[4:_HEX]}"


def _of(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _number(count: int) -> str:
    return _COUNTED[count] if count < len(_COUNTED) else str(count)
