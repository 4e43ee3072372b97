"""What test_decoding writes, read back."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

from chaos.auditor.changes import change_in, transactions_in

LINES = [
    (7, "BEGIN 7"),
    (7, "table fulfilment.inbox_20261122: INSERT: day[date]:'2026-11-22' event_id[uuid]:'019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a01'"),
    (7, "table fulfilment.stock_movements: INSERT: id[bigint]:4"),
    (7, "COMMIT 7 (at 2026-11-22 04:58:00.5+00)"),
    (8, "BEGIN 8"),
    (8, "table orders.links: INSERT: order_id[uuid]:'x'"),
    (8, "COMMIT 8 (at 2026-11-22 04:58:01+00)"),
]


def test_a_row_has_its_columns() -> None:
    change = change_in(
        "table orders.promises_view: UPDATE: promise_id[uuid]:'p' customer_text[text]:'it''s [here]:'' and\nthere' due_at[timestamp with time zone]:"
        "'2026-11-22 04:58:00+00' skus[text[]]:'{a,b}' \"offset\"[bigint]:-3 zone[text]:null verdict[text]:unchanged-toast-datum"
    )
    assert change is not None
    assert (change.table, change.kind) == ("orders.promises_view", "UPDATE")
    assert change.columns == {
        "promise_id": "p",
        "customer_text": "it's [here]:' and\nthere",
        "due_at": "2026-11-22 04:58:00+00",
        "skus": "{a,b}",
        "offset": "-3",
        "zone": None,
        "verdict": "unchanged-toast-datum",
    }


def test_a_changed_key_gives_the_new_row() -> None:
    change = change_in("table loyalty.upgrades: UPDATE: old-key: order_id[uuid]:'a' new-tuple: order_id[uuid]:'b' version[integer]:2")
    assert change is not None
    assert change.columns == {"order_id": "b", "version": "2"}


def test_commits_hold_what_they_wrote_to_watched_tables(tmp_path: Path) -> None:
    file = tmp_path / "changes.jsonl.gz"
    with gzip.open(file, "wt") as out:
        out.writelines(json.dumps([str(xid), text]) + "\n" for xid, text in LINES)
    (transaction,) = transactions_in(file)
    assert (transaction.xid, transaction.at) == ("7", datetime(2026, 11, 22, 4, 58, 0, 500_000, tzinfo=UTC))
    assert [change["event_id"] for change in transaction.of("fulfilment.inbox", "INSERT")] == ["019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a01"]
    assert list(transaction.of("fulfilment.inbox", "DELETE")) == []
