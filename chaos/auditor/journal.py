"""The load client's journal, read back: what it meant to do, and what it was told. Its form is described in `chaos/auditor/evidence.py`."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OK, FAIL, UNKNOWN = "ok", "fail", "unknown"

Reference = tuple[str, str]
"""Channel and external reference: which order it is, once and for all."""


@dataclass(slots=True)
class Call:
    """One thing that was sent. `outcome` is ok, fail or unknown."""

    n: int
    op: str
    via: str
    key: str | None
    order_id: str | None
    body: dict[str, Any]
    expects_dead_letter: bool
    services: tuple[str, ...] | None
    if_match: int | None = None
    outcome: str = UNKNOWN
    status: int | None = None
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def reference(self) -> Reference | None:
        """Where the body names one."""
        channel, external_ref = self.body.get("channel"), self.body.get("external_ref")
        return (channel, external_ref) if isinstance(channel, str) and isinstance(external_ref, str) else None

    def ids(self, name: str) -> list[str]:
        """The ids of this name in the body and in its scans."""
        parts = [self.body, *self.body.get("scans", ())]
        return [part[name] for part in parts if name in part]


def calls_in(file: Path) -> list[Call]:
    """Every call, in the order of sending. Raises ValueError for a line that is no JSON, but for the last one: a kill may have cut it off."""
    lines = [line for line in file.read_text(encoding="utf-8").split("\n") if line]
    calls: dict[int, Call] = {}
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError:
            if number == len(lines):
                break
            raise ValueError(f"line {number} of {file} is no JSON") from None
        if "op" in row:
            calls[row["n"]] = _call(row)
        else:
            call = calls[row["n"]]
            call.outcome, call.status, call.answer = row["outcome"], row.get("status"), row.get("answer") or {}
    return list(calls.values())


def _call(row: dict[str, Any]) -> Call:
    services = tuple(row["services"]) if "services" in row else None
    aside = row["op"] == "poison" or row.get("expect") == "dead_letter"
    return Call(row["n"], row["op"], row["via"], row.get("key"), row.get("order_id"), row.get("body") or {}, aside, services, row.get("if_match"))
