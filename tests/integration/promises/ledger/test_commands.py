"""`kept ledger verify` and `kept ledger export`, as an operator runs them, on whole ledgers and on ones that somebody laid hands on."""

from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.kit import cli
from services.kit.ids import uuid7
from services.kit.notes import Checkpoint, Signer, note
from services.promises.commands import verify_live
from services.promises.ledger.store import LedgerStore
from tests.integration.promises.ledger.conftest import Ledger
from tests.unit.promises.ledger.asking import NOW, acknowledged, make

LOG = Signer("kept.test/ledger", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@pytest.fixture
async def written(ledger: Ledger) -> Ledger:
    """Four hundred entries."""
    ids = [uuid7() for _ in range(200)]
    await ledger.ask(*(make(id, customer_id=uuid7()) for id in ids))
    await ledger.ask(*(acknowledged(id) for id in ids))
    return ledger


@pytest.fixture
def kept(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command finds this test's database."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KEPT_VAR", str(tmp_path))


def _as_administrator(url: str, *statements: str) -> None:
    with psycopg.connect(url, options="-c search_path=promises", autocommit=True) as connection:
        for statement in ("alter table ledger_entries disable trigger all", *statements):
            connection.execute(statement.encode())


async def test_a_whole_ledger_is_whole_live_and_as_an_export(written: Ledger, kept: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export, witness = tmp_path / "export.jsonl", tmp_path / "witness"
    head = await LedgerStore(written.connection).head()
    text = Checkpoint.of(LOG.name, head.frontier, NOW).text()
    witness.write_text(note(text, [LOG.sign(text)]))
    seen = ["--witness", str(witness), "--key", str(LOG.verifier())]
    assert cli.run(["ledger", "export", str(export)]) == 0
    assert cli.run(["ledger", "verify", *seen]) == cli.run(["ledger", "verify", "--export", str(export), *seen]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("400 entries in ")
    assert out[1] == out[2] == f"400 entries are whole, and begins with what 1 witness saw. Root {head.frontier.root().hex()}."


async def test_an_export_that_was_cut_or_changed_is_told_with_its_entry(
    written: Ledger, kept: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = tmp_path / "export.jsonl"
    assert cli.run(["ledger", "export", str(export)]) == 0
    lines = export.read_bytes().splitlines(keepends=True)
    export.write_bytes(b"".join(lines[:-1]))
    assert cli.run(["ledger", "verify", "--export", str(export)]) == 1
    export.write_bytes(b"".join([*lines[:299], lines[299].replace(b"station", b"statiom").replace(b"phone", b"phome"), *lines[300:]]))
    assert cli.run(["ledger", "verify", "--export", str(export)]) == 1
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()[1:]] == ["Entry 400", "Entry 300"]


async def test_wrong_input_is_one_sentence(written: Ledger, kept: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export = tmp_path / "export.jsonl"
    export.write_text("")
    (tmp_path / "witness").write_text("no note")
    assert cli.run(["ledger", "export", str(export)]) == 1
    assert cli.run(["ledger", "verify", "--export", str(tmp_path / "none")]) == 1
    assert cli.run(["ledger", "verify", "--witness", str(tmp_path / "witness")]) == 1
    assert cli.run(["ledger", "verify", "--witness", str(tmp_path / "witness"), "--key", "no+key"]) == 1
    assert cli.run(["ledger", "verify", "--witness", str(tmp_path / "witness"), "--key", str(LOG.verifier())]) == 1
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 5
    assert told[0] == f"kept: {export} is there already: name another file."


@pytest.mark.parametrize(
    ("statement", "position"),
    [
        ("update ledger_entries set line = replace(line, 'phone', 'phome') where position = 150", 150),
        ("update ledger_entries set leaf_hash = sha256('x') where position = 150", 150),
        ("delete from ledger_entries where position = 150", 150),
        ("delete from ledger_entries where position > 390", 391),
        ("update ledger_entries set line = replace(line, '\"quantity\":1', '\"quantity\":2') where position = 7", 7),
        ("update ledger_head set size = 401", 401),
        ("update ledger_head set hashes = sha256('x')", 401),
        ("update ledger_entries set key = 'another' where position = 150", 150),
        ("update ledger_entries set recorded_at = recorded_at + interval '1 us' where position = 150", 150),
        ("update ledger_entries set fingerprint = sha256('x') where position = 150", 150),
        ("update ledger_entries set promise_id = gen_random_uuid() where position = 150", 150),
        ("update ledger_entries set state_digest = sha256('x') where position = 150", 150),
    ],
)
async def test_whoever_changes_a_row_in_the_database_is_found(written: Ledger, database_url: str, statement: str, position: int) -> None:
    assert verify_live(written.url).fault is None
    _as_administrator(database_url, statement)
    fault = verify_live(written.url).fault
    assert fault is not None
    assert fault.position == position, fault


async def test_an_empty_ledger_is_whole(ledger: Ledger) -> None:
    assert (verify_live(ledger.url).size, verify_live(ledger.url).fault) == (0, None)
