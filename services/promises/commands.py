"""What an operator asks of the ledger by hand: `kept ledger verify`, `export`, `checkpoint`. They read the tables, or a file, and change nothing."""

import argparse
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from services.kit.clock import clock_from
from services.kit.interpreter import tune_python
from services.kit.merkle import Frontier
from services.kit.notes import Checkpoint, NoteRefused, Verifier, note, open_note
from services.kit.settings import KitSettings
from services.promises.ledger.verification import Columns, Fault, Hashing, Ordering, Replaying, Verified, joined, pieces
from services.promises.settings import Settings

T = TypeVar("T")

_HASH = 32
_LINE_BYTES = 900
"""About what one takes in an export."""
_AT_ONCE = 8192
_WORTH_A_PROCESS = 20_000
_ENTRIES = "select line, leaf_hash from ledger_entries order by position"
_HEAD = "select size, hashes from ledger_head"
_LINES = "select textsend(line) from ledger_entries where position <= %s order by position"
_BESIDE = """
select textsend(line), leaf_hash, position, uuid_send(promise_id), seq, recorded_at, scope, key, fingerprint, state_digest
from ledger_entries where position <= %s order by position"""
"""Each line with the columns by which it is looked for; texts are sent as the bytes that were hashed."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Put the commands among those of `kept`."""
    actions = commands.add_parser("ledger", help="the ledger of promises").add_subparsers(required=True, metavar="ACTION")
    check = actions.add_parser("verify", help="whether every entry is what it was; names the first that is not, and exits with 1")
    check.add_argument("--export", type=Path, metavar="FILE", help="an export, in place of the database; its leaf hashes lie beside it")
    check.add_argument("--witness", type=Path, action="append", default=[], metavar="FILE", help="a signed checkpoint that somebody kept")
    check.add_argument("--key", action="append", default=[], metavar="KEY", help="whose signatures count: name+number+base64")
    check.set_defaults(run=run_verify)
    point = actions.add_parser("checkpoint", help="how far the ledger reaches, signed, for whoever is to keep it; the key is told on standard error")
    point.set_defaults(run=run_checkpoint)
    out = actions.add_parser("export", help="every entry as one line of JSON, and the leaf hashes beside it")
    out.add_argument("file", type=Path)
    out.set_defaults(run=run_export)


def run_verify(given: argparse.Namespace, settings: KitSettings) -> int:
    """Exits with 0 where all of it is whole, with 1 and one sentence where it is not."""
    if given.export and not given.export.exists():
        raise ValueError(f"{given.export} is not there: name a file that `kept ledger export` wrote")
    witnessed = [_checkpoint(path.read_text(), given.key) for path in given.witness]
    tune_python()
    found = verify_export(given.export, witnessed) if given.export else verify_live(settings.service_database("promises"), witnessed)
    if found.fault is not None:
        print(f"Entry {found.fault.position}: {found.fault.what}")
        return 1
    seen = f", and begins with what {len(witnessed)} {'witness' if len(witnessed) == 1 else 'witnesses'} saw" if witnessed else ""
    print(f"{found.size} entries are whole{seen}. Root {found.root.hex()}.")
    return 0


def run_checkpoint(given: argparse.Namespace, settings: KitSettings) -> int:
    """Prints the signed note alone, so that it can be sent to a file."""
    signer = Settings().ledger_signer
    with _connected(settings.service_database("promises")) as connection:
        size, frontier = connection.execute(_HEAD).fetchone() or (0, b"")
    text = Checkpoint.of(signer.name, Frontier(size, tuple(_hashes(frontier))), clock_from(settings.clock).now()).text()
    print(note(text, [signer.sign(text)]), end="")
    print(f"Whoever keeps it checks it with the key {signer.verifier()}", file=sys.stderr)
    return 0


def run_export(given: argparse.Namespace, settings: KitSettings) -> int:
    """Writes FILE and FILE.hashes; refuses to write over an export that is there."""
    count = export(settings.service_database("promises"), given.file)
    print(f"{count} entries in {given.file}, their leaf hashes in {hashes_of(given.file)}.")
    return 0


def export(url: str, path: Path) -> int:
    """Every entry into a new file, its leaf hashes into one beside it. Returns how many."""
    count = 0
    with path.open("xb") as lines, hashes_of(path).open("xb") as hashes, _entries(url, _ENTRIES) as entries:
        for line, leaf in entries:
            lines.write(line.encode() + b"\n")
            hashes.write(leaf)
            count += 1
    return count


def verify_live(url: str, witnessed: Sequence[Checkpoint] = ()) -> Verified:
    """The entries in the database, against the leaf hashes and the head that stand beside them, as far as the head reaches now."""
    with _connected(url) as connection:
        size, frontier = connection.execute(_HEAD).fetchone() or (0, b"")
    (found, beside), fault = _in_two(size, (_hash_live, url, size, witnessed), (_replay_live, url, size))
    found = joined(found, fault)
    head = Frontier(size, tuple(_hashes(frontier)))
    if found.fault is not None:
        return found
    if beside is not None:
        return replace(found, fault=Fault(beside, "The columns beside its line are not those of its line."))
    if (head.size, head.root()) != (found.size, found.root):
        return replace(found, fault=Fault(min(head.size, found.size) + 1, f"The head tells of {head.size} entries with another root."))
    return found


def verify_export(path: Path, witnessed: Sequence[Checkpoint] = ()) -> Verified:
    """The lines of a file, against the leaf hashes beside it where they are there."""
    about = path.stat().st_size // _LINE_BYTES
    return joined(*_in_two(about, (_hash_export, path, witnessed), (_replay_export, path)))


def _in_two(size: int, hashing: tuple[Any, ...], replaying: tuple[Any, ...]) -> tuple[Any, Fault | None]:
    """What both passes over the entries find: side by side where there are enough of them to pay for a process."""
    if size < _WORTH_A_PROCESS:
        return hashing[0](*hashing[1:]), replaying[0](*replaying[1:])
    alone = threading.active_count() == 1  # a thread may hold a lock, which a fork would hold for ever; a new interpreter takes seconds to begin
    with ProcessPoolExecutor(1, mp_context=get_context("fork" if alone else "spawn"), initializer=tune_python) as beside:
        hashed = beside.submit(*hashing)
        replayed = replaying[0](*replaying[1:])
        return hashed.result(), replayed


def _hash_live(url: str, size: int, witnessed: Sequence[Checkpoint]) -> tuple[Verified, int | None]:
    """What the bytes show, and the first position at which a column is not what the line says."""
    kept, beside = deque[bytes](), deque[Columns]()
    with _entries(url, _BESIDE, size) as entries:
        ordering = Ordering(_as_they_come(beside))
        found = _hash(_noting(entries, kept, beside), _as_they_come(kept), witnessed, ordering)
    return found, ordering.differs


def _replay_live(url: str, size: int) -> Fault | None:
    with _entries(url, _LINES, size) as entries:
        return _replay(line for (line,) in entries)


def _hash_export(path: Path, witnessed: Sequence[Checkpoint]) -> Verified:
    beside = hashes_of(path)
    with path.open("rb") as file:
        return _hash(_lines_of(file), _hashes(beside.read_bytes()) if beside.exists() else None, witnessed, Ordering())


def _replay_export(path: Path) -> Fault | None:
    with path.open("rb") as file:
        return _replay(_lines_of(file))


def _lines_of(file: Iterable[bytes]) -> Iterator[bytes]:
    return (line.removesuffix(b"\n") for line in file)


def _hash(lines: Iterable[bytes], leaf_hashes: Iterable[bytes] | None, witnessed: Sequence[Checkpoint], ordering: Ordering) -> Verified:
    """What bytes and order show: all but the meaning."""
    hashing = Hashing(leaf_hashes, witnessed)
    for some in pieces(lines):
        hashing.take(some)
        ordering.take(some)
    return joined(hashing.close(), ordering.fault)


def _replay(lines: Iterable[bytes]) -> Fault | None:
    replaying = Replaying()
    for some in pieces(lines):
        replaying.take(some)
        if replaying.fault:
            break
    return replaying.fault


def hashes_of(export: Path) -> Path:
    """Where an export keeps its leaf hashes, 32 bytes each."""
    return export.with_name(export.name + ".hashes")


@contextmanager
def _connected(url: str) -> "Iterator[psycopg.Connection[tuple[Any, ...]]]":
    with psycopg.connect(url, options="-c search_path=promises -c default_transaction_read_only=on") as connection:
        yield connection


@contextmanager
def _entries(url: str, statement: str, *arguments: object) -> Iterator[Iterator[tuple[Any, ...]]]:
    """The rows that the statement finds, some thousand at a time."""
    with _connected(url) as connection, connection.cursor(name="entries") as cursor:
        cursor.execute(statement, arguments, binary=True)
        yield chain.from_iterable(iter(lambda: cursor.fetchmany(_AT_ONCE), []))


def _noting(entries: Iterable[Any], hashes: deque[bytes], beside: deque[Columns]) -> Iterator[bytes]:
    """The lines; their leaf hashes and the columns beside them are put on lists as they come."""
    for entry in entries:
        hashes.append(entry[1])
        beside.append(entry[2:])
        yield entry[0]


def _as_they_come(noted: deque[T]) -> Iterator[T]:
    while noted:
        yield noted.popleft()


def _hashes(raw: bytes) -> Iterator[bytes]:
    return (raw[at : at + _HASH] for at in range(0, len(raw), _HASH))


def _checkpoint(signed: str, keys: Iterable[str]) -> Checkpoint:
    """What a witness kept. Raises NoteRefused where none of these keys signed it."""
    known = [Verifier.read(key) for key in keys]
    if not known:
        raise NoteRefused("say with --key whose signature under the checkpoint counts")
    return Checkpoint.read(open_note(signed, known)[0])
