"""The log as the process that writes the ledger needs one: what it was told of, in order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import msgspec

from services.kit.canonical import canonical
from services.kit.ports import Outgoing
from services.kit.promise.feed import EntryRecorded
from services.kit.promise.line import Actor, Line, body_of, commitment, digest_of
from services.kit.promise.state import Made, Promise


class Feed:
    """The log, as far as the feed of entries needs one: keeps what it is told, in order."""

    def __init__(self) -> None:
        self.messages: list[Outgoing] = []

    async def send(self, messages: Sequence[Outgoing]) -> None:
        self.messages += messages

    async def close(self) -> None:
        """There is nothing to let go of."""

    def entries(self) -> list[EntryRecorded]:
        return [msgspec.json.decode(message.value or b"", type=EntryRecorded) for message in self.messages]


def made_entry(position: int, promise_id: UUID, made: Made, words: str, at: datetime) -> EntryRecorded:
    """What the ledger says of a promise that was made, for a view that hears of no other ledger."""
    salt = bytes(16)
    said = replace(made, words=commitment(salt, words))
    body, digest = msgspec.Raw(body_of(said)), digest_of(Promise(promise_id, 1, said))
    actor, key = Actor("care-7", "care", "phone"), str(promise_id)
    line = Line(position, promise_id, 1, "made", body, at, at, actor, "kept:care:promise", key, bytes(32), digest)
    return EntryRecorded(position, canonical(line).decode(), salt, words)
