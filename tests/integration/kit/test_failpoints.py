"""A worker that dies at each labelled point, once, and starts again: nothing lost, nothing twice."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from uuid import UUID

import pytest

from services.kit.failpoints import POINTS
from services.kit.ids import uuid7
from tests.integration.kit import toy
from tests.integration.kit.conftest import ROOT, Load, Site, audit, mixed, outgoing, own_topic, produce, settled
from tests.support.polling import poll_until

pytestmark = pytest.mark.kill

BY_HTTP = ("command.begun", "command.answer_stored", "transaction.committed")
_OF_SERVICES = ("mail", "label", "void", "manifest", "refund", "webhook", "amendment", "owed")
BY_SERVICES = tuple(point for point in POINTS if point.partition(".")[0] in _OF_SERVICES)
BY_WORKER = tuple(point for point in POINTS if not point.startswith("command.") and point not in BY_SERVICES)
_AT_ONCE = 4


async def _dies_and_recovers(site: Site, point: str) -> None:
    driver = "raw" if point.startswith("raw.") else "faust"
    told = {"KEPT_EMBEDDED": "1", "KEPT_VAR": str(site.folder), "KEPT_FAILPOINTS": f"{point}:kill@1", "TOY_CHORES": "1"}
    load = mixed(site.prefix + toy.HEARD, 60)
    await produce(site, load.messages)
    first = site.start(driver, **told)
    if point.endswith("revoking"):
        await poll_until(site.counted, 30)
        site.start(driver, slot="1", **told)
    await poll_until(lambda: first.poll() is not None, 40)
    assert first.returncode == -signal.SIGKILL, f"{point}: exit code {first.returncode}\n{site.logs()[-3000:]}"
    site.start(driver, **told)
    await settled(site, load)
    await poll_until(lambda: site.one("select count(*) from chores where done") == len(load.good) and not site.one("select count(*) from outbox"), 30)
    await audit(site, load)
    await _audit_chores(site, load)


async def _audit_chores(site: Site, load: Load) -> None:
    """One event per chore, however often it was sent; each chore in the file at least once."""
    fired = {headers["ce_id"]: UUID(headers["ce_causationid"]) for headers in await own_topic(site) if headers["ce_type"] == toy.FIRED}
    assert Counter(fired.values()) == Counter(load.good)
    assert set(map(UUID, (site.folder / "chores").read_text().split())) == load.good


@pytest.mark.parametrize("points", [BY_WORKER[at : at + _AT_ONCE] for at in range(0, len(BY_WORKER), _AT_ONCE)], ids="+".join)
async def test_a_worker_that_dies_there_loses_nothing(
    points: tuple[str, ...], new_site: Callable[[str, str], Site], servers: tuple[str, str]
) -> None:
    await asyncio.gather(*(_dies_and_recovers(new_site(*servers), point) for point in points))


_COMMAND = """
import asyncio, sys
from starlette.responses import Response
from services.kit.clock import SystemClock
from services.kit.database import Database, service_url
from services.kit.http import Command, Commands, once

async def do(work):
    await work.connection.execute("insert into counted values (gen_random_uuid(), 1)")
    return Response(b"done", 201)

async def together(work, wanted):
    return [await do(work) for _ in wanted]

async def main():
    database = await Database.connect(service_url(sys.argv[1], "toy"), "toy", SystemClock())
    if sys.argv[2] == "alone":
        done = await once(database, scope="shop", key="k", fingerprint=b"f", do=do)
    else:
        done = await Commands(database, together).once(Command("shop", "k", b"f", None))
    print(done.body.decode())
    await database.close()

asyncio.run(main())
"""


@pytest.mark.parametrize("way", ["alone", "together"])
@pytest.mark.parametrize("point", BY_HTTP)
def test_a_command_whose_process_dies_at_a_point_is_done_once(point: str, way: str, site: Site) -> None:
    told = {"KEPT_EMBEDDED": "1", "KEPT_VAR": str(site.folder), "KEPT_FAILPOINTS": f"{point}:kill@1"}
    run = [sys.executable, "-c", _COMMAND, site.database, way]
    died, answered = [subprocess.run(run, cwd=ROOT, env=os.environ | told, capture_output=True, text=True, check=False) for _ in range(2)]
    assert (died.returncode, died.stdout) == (-signal.SIGKILL, ""), died.stderr
    assert (answered.returncode, answered.stdout) == (0, "done\n"), answered.stderr
    assert site.counted() == 1


async def test_a_producer_whose_sequence_is_spoilt_is_replaced(site: Site) -> None:
    site.start("faust", KEPT_EMBEDDED="1", KEPT_VAR=str(site.folder), KEPT_FAILPOINTS="relay.before_send:skew@2")
    load = Load(good={uuid7() for _ in range(40)})
    messages = [outgoing(site.prefix + toy.HEARD, id, n) for n, id in enumerate(load.good)]
    await produce(site, messages[:20])
    await poll_until(lambda: site.counted() == 20 and not site.one("select count(*) from outbox"), 30)
    await produce(site, messages[20:])
    await settled(site, load)
    await audit(site, load)
    assert "the log did not acknowledge" in site.logs()
