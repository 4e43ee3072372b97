"""The log as the process that writes the ledger needs one: what it was told of, in order."""

from collections.abc import Sequence

import msgspec

from services.kit.ports import Outgoing
from services.kit.promise.feed import EntryRecorded


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
