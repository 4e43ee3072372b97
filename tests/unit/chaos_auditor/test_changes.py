"""What test_decoding writes, read back."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from chaos.auditor.changes import change_in, transactions_in
from chaos.auditor.records import digest_of

LINES = [
    (7, "BEGIN 7"),
    (7, "table fulfilment.inbox_20261122: INSERT: day[date]:'2026-11-22' event_id[uuid]:'019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a01'"),
    (7, "table fulfilment.stock_movements: INSERT: id[bigint]:4"),
    (7, "COMMIT 7 (at 2026-11-22 04:58:00.5+00)"),
    (8, "BEGIN 8"),
    (8, "table orders.links: INSERT: order_id[uuid]:'x'"),
    (8, "COMMIT 8 (at 2026-11-22 04:58:01+00)"),
]


def test_a_row_has_the_columns_that_are_watched() -> None:
    change = change_in(
        "table fulfilment.scans: UPDATE: scan_id[uuid]:'s' "
        "answer[jsonb]:'{\"a\": \"it''s fence[bigint]:7 and\nscanned_by[text]:''x''\"}' task_id[uuid]:'t' "
        "occurred_at[timestamp with time zone]:'2026-11-22 04:58:00+00' skus[text[]]:'{a,b}' \"offset\"[bigint]:4 fence[bigint]:-3 "
        "verdict[text]:unchanged-toast-datum scanned_by[text]:null"
    )
    assert change is not None
    assert (change.table, change.kind) == ("fulfilment.scans", "UPDATE")
    assert change.columns == {"scan_id": "s", "task_id": "t", "fence": "-3", "verdict": "unchanged-toast-datum", "scanned_by": None}
    assert change["fence"] == "-3"
    with pytest.raises(KeyError, match="scanned_by"):
        change["scanned_by"]


def test_a_changed_key_gives_the_new_row() -> None:
    change = change_in("table loyalty.upgrades: UPDATE: old-key: order_id[uuid]:'a' new-tuple: order_id[uuid]:'b' version[integer]:2")
    assert change is not None
    assert change.columns == {"order_id": "b", "version": "2"}


@pytest.mark.parametrize(("payload", "about"), [(b'{"promise_id": "p"}', "p"), (b'{"message_id": "m", "promise_id": "p"}', "m")])
def test_an_event_in_an_outbox_has_the_digest_of_its_record(payload: bytes, about: str) -> None:
    headers: list[tuple[str, bytes | None]] = [("ce_id", b"e"), ("ce_aggregateversion", b"3")]
    key = b"it's"
    change = change_in(
        f"table promises.outbox: INSERT: id[bigint]:1 event_id[uuid]:'e' topic[text]:'promises.promise.v1' "
        f"key[bytea]:'\\x{key.hex()}' type[text]:'T' "
        f"payload[bytea]:'\\x{payload.hex()}' headers[bytea]:'\\x{msgspec.msgpack.encode(headers).hex()}'"
    )
    assert change is not None
    told = {"event_id": "e", "topic": "promises.promise.v1", "type": "T", "key": "it's", "about": about, "version": "3"}
    assert change.columns == {**told, "digest": digest_of(key, payload, headers)}


def test_commits_hold_what_they_wrote_to_watched_tables(tmp_path: Path) -> None:
    file = tmp_path / "changes.jsonl.gz"
    with gzip.open(file, "wt") as out:
        out.writelines(json.dumps([str(xid), text]) + "\n" for xid, text in LINES)
    (transaction,) = transactions_in(file)
    assert (transaction.xid, transaction.at) == ("7", datetime(2026, 11, 22, 4, 58, 0, 500_000, tzinfo=UTC))
    assert [change["event_id"] for change in transaction.of("fulfilment.inbox", "INSERT")] == ["019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a01"]
    assert list(transaction.of("fulfilment.inbox", "DELETE")) == []
