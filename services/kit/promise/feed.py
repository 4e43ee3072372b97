"""The feed of entries: what the ledger says of each one it has written, on a topic of one partition, so that everybody hears them in one order."""

from dataclasses import dataclass

from services.kit.envelope import Hears

TOPIC = "promises.entry.v1"
ENTRY_RECORDED = "promises.EntryRecorded.v1"


@dataclass(frozen=True, slots=True)
class EntryRecorded:
    """`entry` is the very line that was hashed; `salt` and `words` are what its commitment hides, where it has any that were not erased."""

    position: int
    entry: str
    salt: bytes | None = None
    words: str | None = None


HEARS: Hears = {ENTRY_RECORDED: EntryRecorded}
