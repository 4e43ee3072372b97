"""One link: a port of this machine behind which one server lies, as one who connects to it sees it."""

import asyncio
from collections import deque
from collections.abc import Sequence
from random import Random

from chaos.proxy.connection import Connection, End
from chaos.proxy.faults import HEALTHY, Counts, Faults
from chaos.proxy.frames import SPEECHES

_HOST = "127.0.0.1"


class Link:
    """`port` is where clients connect, `servers` what lies behind it, by turns where there are several; `speaks` is one of `SPEECHES`. The seed
    makes its random numbers."""

    def __init__(self, name: str, port: int, servers: Sequence[tuple[str, int]], speaks: str = "", seed: int = 0) -> None:
        self.name, self.port, self._speech = name, port, SPEECHES[speaks]
        self._servers = deque(servers)
        self.random = Random(f"{seed} {name}")
        self.counts, self.faults = Counts(), HEALTHY
        self._lost = 0
        self._connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        self._listener = await asyncio.get_running_loop().create_server(self._came, _HOST, self.port)

    async def set(self, faults: Faults) -> None:
        """From now on these faults and no others; `Faults()` heals. What already waits keeps its moment."""
        self.faults = faults
        self._lost = 0
        if not faults.listens:
            self.stop()
        elif self._listener is None:
            await self.start()
        for connection in set(self._connections):
            connection.settle()

    def stop(self) -> None:
        """Listen no more, and cut every connection."""
        if self._listener:
            self._listener.close()
            self._listener = None
        self.reset()

    def reset(self) -> None:
        """Cut every connection with RST."""
        for connection in set(self._connections):
            connection.reset()

    @property
    def takes(self) -> bool:
        """Whether new connections reach the server now."""
        faults = self.faults
        return faults.accepts and not faults.to_server.blocked and not faults.to_client.blocked

    def turn(self) -> list[tuple[str, int]]:
        """The servers in the order in which the next connection tries them."""
        self._servers.rotate(-1)
        return list(self._servers)

    def loses(self) -> bool:
        """Whether the answer that just came is lost."""
        faults, counts = self.faults, self.counts
        counts.replies += 1
        if faults.lose_limit is not None and self._lost >= faults.lose_limit:
            return False
        lost = self.random.random() < faults.lose_chance
        self._lost += lost
        counts.replies_lost += lost
        return lost

    def delayed(self, pieces: int) -> None:
        self.counts.delayed += pieces

    def joined(self, connection: Connection) -> None:
        self.counts.connections += 1
        self._connections.add(connection)

    def left(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def _came(self) -> End:
        return Connection(self, self._speech()).client
