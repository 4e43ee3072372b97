"""`python -m chaos.proxy FILE`: every link that the file names, in one process, until it is told to stop.

The file is JSON: `seed`, `control` (the port where faults are switched), and `links`, each with `name`, `port`, `servers` (host:port; by turns) and
`speaks` ("kafka", "postgres", or "" for what is not read).
"""

import sys
from pathlib import Path

import msgspec
import uvloop
from msgspec import Struct

from chaos.proxy.control import serve
from chaos.proxy.link import Link


class Place(Struct, forbid_unknown_fields=True):
    """Where a link lies."""

    name: str
    port: int
    servers: list[str]
    speaks: str = ""


class Plan(Struct, forbid_unknown_fields=True):
    """What one proxy is to run."""

    control: int
    links: list[Place]
    seed: int = 0


async def run(plan: Plan) -> None:
    """Raises OSError when a port is taken, KeyError where a protocol is unknown."""
    links = {place.name: _link(place, plan.seed) for place in plan.links}
    for link in links.values():
        await link.start()
    await serve(links, plan.control)


def _link(place: Place, seed: int) -> Link:
    servers = [(host, int(port)) for host, _, port in (server.rpartition(":") for server in place.servers)]
    return Link(place.name, place.port, servers, place.speaks, seed)


def main() -> None:
    uvloop.run(run(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)))


if __name__ == "__main__":
    main()
