"""The bed comes up, loses a broker, a worker and for a while its database, and goes down without a trace.

Not named `test_...`: it takes both cores for minutes, so only those run it who ask for it by its path.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from chaos.bed.bed import Bed, NotRunning
from chaos.bed.ready import metadata, why_not_ready
from deploy.local.programs import SERVICES
from deploy.local.supervise import ROOT
from services.kit.topics import register
from tests.support.polling import wait_until


def run(command: str, var: Path) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, "-m", "chaos.bed", command, "--var", str(var)]
    return subprocess.run(whole, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    var = tmp_path_factory.mktemp("bed")
    up = run("up", var)
    try:
        assert up.returncode == 0, up.stderr
        yield Bed(var)
    finally:
        run("down", var)


def everything(bed: Bed) -> list[psutil.Process]:
    """Every process of the bed, the supervisor and PostgreSQL's sessions included."""
    supervisor = bed.process("proxy").parent()
    assert supervisor is not None
    return [supervisor, *supervisor.children(recursive=True)]


def test_every_process_runs_in_a_session_of_its_own(bed: Bed) -> None:
    services = {f"{service}-{role}-{slot}" for service in SERVICES for role in ("api", "worker") for slot in (0, 1)}
    assert set(bed.names) == services | {"kafka-1", "kafka-2", "kafka-3", "postgres", "proxy", "carrier", "provider", "mailbox"}
    assert run("status", bed.var).returncode == 0
    pids = [bed.process(name).pid for name in bed.names]
    assert [int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[3]) for pid in pids] == pids


def test_topics_have_three_copies_and_commits_reach_the_disk_and_a_slot(bed: Bed) -> None:
    wait_until(lambda: bed.lagging_replicas() == 0, 30)
    topics = metadata(bed.told["kafka"]).topics
    names = {topic.name for topic in register()} | {"__consumer_offsets"}
    assert names <= topics.keys()
    assert {len(part.replicas) for name in names for part in topics[name].partitions.values()} == {3}
    with psycopg.connect(bed.told["database"]) as connection:
        settings = [connection.execute(f"show {name}").fetchone() for name in ("fsync", "synchronous_commit", "wal_level")]
        assert settings == [("on",), ("on",), ("logical",)]
        connection.rollback()
        connection.execute("select pg_create_logical_replication_slot('whole_bed', 'test_decoding', true)")


def test_services_reach_their_servers_through_their_links_alone(bed: Bed) -> None:
    links = {name: int(address.rpartition(":")[2]) for name, address in bed.told["proxy"]["links"].items()}
    direct = {int(address.rpartition(":")[2]) for address in bed.told["kafka"].split(",")}
    assert not direct & set(links.values())
    for service in SERVICES:
        own = {port for name, port in links.items() if name.startswith(f"{service}->")}
        servers = {port for name, port in links.items() if name.endswith(("->postgres", "->kafka-1", "->kafka-2", "->kafka-3"))}
        apis = {int(each["api"].rpartition(":")[2]) for each in bed.told["services"].values()}
        for name in (f"{service}-{role}-{slot}" for role in ("api", "worker") for slot in (0, 1)):
            process = bed.process(name)
            listening = {each.laddr.port for each in process.net_connections() if each.status == psutil.CONN_LISTEN}
            outgoing = {each.raddr.port for each in process.net_connections() if each.raddr and each.laddr.port not in listening}
            assert outgoing & servers
            assert outgoing <= own | apis, name
    counts = bed.proxy().counts()
    assert all(counts[f"{service}->{server}"].connections for service in SERVICES for server in ("postgres", "kafka-1", "kafka-2", "kafka-3"))


def test_a_killed_broker_hands_over_and_comes_back(bed: Bed) -> None:
    wait_until(lambda: bed.lagging_replicas() == 0, 30)
    leader = bed.broker_leader("orders.order.v1", 0)
    before = bed.kill(leader)
    wait_until(lambda: bed.broker_leader("orders.order.v1", 0) != leader, 30)
    assert bed.await_ready(leader) < 30
    assert bed.process(leader).pid != before
    wait_until(lambda: bed.lagging_replicas() == 0, 60)


def test_a_killed_worker_comes_back(bed: Bed) -> None:
    before = bed.kill("orders-worker-0")
    assert why_not_ready(bed.var / "stack.json", "orders-worker-0") is not None
    assert bed.await_ready("orders-worker-0") < 30
    assert bed.process("orders-worker-0").pid != before


def test_while_one_api_is_away_the_other_answers(bed: Bed) -> None:
    openapi = bed.told["services"]["orders"]["openapi"]
    for away in ("orders-api-0", "orders-api-1"):
        bed.stop(away)
        assert [httpx.get(openapi).status_code for _ in range(10)] == [200] * 10
        bed.start(away)
        assert bed.await_ready(away) < 30


def test_a_stopped_process_stays_away_until_it_is_started(bed: Bed) -> None:
    bed.stop("loyalty-worker-1")
    with pytest.raises(NotRunning):
        bed.process("loyalty-worker-1")
    bed.start("loyalty-worker-1")
    assert bed.await_ready("loyalty-worker-1") < 30


def test_a_database_that_hangs_makes_services_unready_until_it_goes_on(bed: Bed) -> None:
    bed.pause("postgres")
    wait_until(lambda: why_not_ready(bed.var / "stack.json", "orders-api-0") is not None, 20)
    bed.resume("postgres")
    assert bed.await_ready("postgres") < 10
    assert bed.await_ready("orders-api-0") < 30


def test_a_database_that_is_killed_while_it_hangs_leaves_nobody_behind(bed: Bed) -> None:
    sessions = bed.process("postgres").children(recursive=True)
    bed.pause("postgres")
    bed.kill("postgres")
    assert psutil.wait_procs(sessions, 10)[1] == []
    assert bed.await_ready("postgres") < 15
    assert bed.await_ready("orders-api-0") < 30


def test_it_goes_down_without_a_trace_though_its_database_is_paused(bed: Bed) -> None:
    running = everything(bed)
    assert len(running) > 30
    bed.pause("postgres")
    assert run("down", bed.var).returncode == 0
    assert psutil.wait_procs(running, 10)[1] == []
