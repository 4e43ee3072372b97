"""The embedded servers as their user meets them: by command, with kills, beside each other, and where they cannot start."""

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic

from deploy.local import description, kafka, postgres
from deploy.local.errors import CannotStart
from deploy.local.jars import cache, compare
from deploy.local.servers import embedded
from deploy.local.settings import clock
from deploy.local.supervise import ROOT

pytestmark = pytest.mark.servers
COMMAND = [sys.executable, "-m", "deploy.local"]
# So that another user finds this Python and the jars, which may lie in a closed home.
READ_ALL = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--securebits=+no_setuid_fixup")
UP = [*COMMAND, "up", "--servers-only"]


class Stack:
    """A stack in a folder of its own, driven by commands as a person would."""

    def __init__(self, var: Path, prefix: tuple[str, ...] = (), **environment: str) -> None:
        named = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL")
        self.var, self.prefix = var, prefix
        self.environment = {name: value for name, value in os.environ.items() if name not in named} | environment

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        whole = [*self.prefix, *command, "--var", str(self.var)]
        return subprocess.run(whole, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=90, check=False)

    def up(self) -> None:
        done = self.run(*UP)
        assert done.returncode == 0, done.stderr

    def refusal(self) -> str:
        """The one line that a start which cannot work says."""
        done = self.run(*UP)
        said = [line for line in done.stderr.splitlines() if "✓" not in line]
        assert done.returncode == 1
        assert len(said) == 1, done.stderr
        assert self.processes() == []
        return said[0]

    @property
    def told(self) -> dict[str, Any]:
        return description.read(self.var / "stack.json")

    @property
    def supervisor(self) -> int:
        return int((self.var / "supervisord.pid").read_text())

    def processes(self) -> list[int]:
        """Every process with this folder on its command line, and the sessions of its PostgreSQL, which rename themselves."""
        found = [each for each in psutil.process_iter(["cmdline"]) if str(self.var) in " ".join(each.info["cmdline"] or [])]
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [child for each in found for child in each.children(recursive=True)]
        return sorted({each.pid for each in found})

    def is_whole(self) -> bool:
        return kafka.why_silent(self.told["kafka"]) is None and postgres.why_silent(self.told["database"]) is None


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    one = Stack(tmp_path / "var")
    yield one
    one.run(*COMMAND, "down")


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not within the deadline"
        time.sleep(0.05)


def gone(pids: list[int]) -> Callable[[], bool]:
    return lambda: not any(lives(pid) for pid in pids)


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def keep_something(stack: Stack) -> None:
    with psycopg.connect(stack.told["database"]) as connection:
        connection.execute("create table kept as select 'a row' as what")
    admin = KafkaAdminClient(bootstrap_servers=stack.told["kafka"])
    admin.create_topics([NewTopic("kept", 1, 1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=stack.told["kafka"])
    producer.send("kept", b"a message").get(10)
    producer.close()


def what_was_kept(stack: Stack) -> tuple[Any, bytes]:
    with psycopg.connect(stack.told["database"]) as connection:
        row = connection.execute("select what from kept").fetchone()
    consumer = KafkaConsumer("kept", bootstrap_servers=stack.told["kafka"], auto_offset_reset="earliest", consumer_timeout_ms=20_000)
    message = next(iter(consumer)).value
    consumer.close()
    return row, message


def compute_in(busy: "psycopg.Connection[Any]") -> None:
    """Be in the middle of a query that never looks up, until the server goes away."""
    with contextlib.suppress(psycopg.Error):
        busy.execute("select sum(a * b) from generate_series(1, 100000) a, generate_series(1, 100000) b")


def test_a_stack_answers_then_stops_without_leaving_a_process(stack: Stack) -> None:
    stack.up()
    assert stack.is_whole()
    assert stat.S_IMODE((stack.var / "stack.json").stat().st_mode) == 0o600
    with psycopg.connect(stack.told["database"]) as connection:
        settings = [connection.execute(f"show {name}").fetchone() for name in ("max_connections", "fsync", "listen_addresses")]
    assert settings == [("300",), ("on",), ("127.0.0.1",)]
    assert stack.run(*COMMAND, "status").returncode == 0
    assert "already" in stack.run(*UP).stderr
    running = stack.processes()
    assert len(running) > 3
    assert stack.run(*COMMAND, "down").returncode == 0
    assert gone(running)()
    assert stack.run(*COMMAND, "status").returncode == 1


def test_after_a_kill_of_the_supervisor_nothing_lives_on_and_the_next_start_has_all_data(stack: Stack) -> None:
    stack.up()
    keep_something(stack)
    ports = (stack.var / "ports.json").read_text()
    with psycopg.connect(stack.told["database"]) as busy:
        threading.Thread(target=compute_in, args=(busy,), daemon=True).start()
        with psycopg.connect(stack.told["database"]) as watcher:
            until(lambda: watcher.execute("select 1 from pg_stat_activity where query like 'select sum(%'").fetchone() is not None)
        running = stack.processes()
        os.kill(stack.supervisor, signal.SIGKILL)
        until(gone(running), 8)
    stack.up()
    assert what_was_kept(stack) == (("a row",), b"a message")
    assert (stack.var / "ports.json").read_text() == ports


def test_a_killed_server_comes_back_the_description_follows_and_a_hang_up_stops_all(stack: Stack) -> None:
    stack.up()
    before = stack.told["processes"]
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    until(lambda: all(pid and pid not in before.values() for pid in stack.told["processes"].values()))
    until(stack.is_whole, 30)
    running = stack.processes()
    os.kill(stack.supervisor, signal.SIGHUP)
    until(gone(running), 15)


def test_two_stacks_stand_side_by_side(stack: Stack, tmp_path: Path) -> None:
    other = Stack(tmp_path / "other")
    try:
        stack.up()
        other.up()
        assert stack.is_whole()
        assert other.is_whole()
        assert other.run(*COMMAND, "down").returncode == 0
        assert stack.is_whole()
    finally:
        other.run(*COMMAND, "down")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_a_stack_in_the_foreground_ends_with_its_command(stack: Stack, ending: signal.Signals) -> None:
    command = [*UP, "--foreground", "--var", str(stack.var)]
    process = subprocess.Popen(command, cwd=ROOT, env=stack.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: (stack.var / "stack.json").exists() and stack.is_whole(), 60)
    running = [pid for pid in stack.processes() if pid != process.pid]
    process.send_signal(ending)
    process.wait(15)
    until(gone(running), 15)


def test_a_pid_file_that_names_somebody_else_does_not_stop_a_start(stack: Stack) -> None:
    stack.up()
    pid_file = stack.var / "postgres" / "data" / "postmaster.pid"
    text = pid_file.read_text()
    running = stack.processes()
    os.kill(stack.supervisor, signal.SIGKILL)
    until(gone(running), 8)
    pid_file.write_text(text.replace(text.partition("\n")[0], str(os.getppid()), 1))
    (stack.var / "supervisord.pid").write_text(str(os.getppid()))
    stack.up()
    assert stack.is_whole()


def test_a_block_has_servers_of_its_own_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with embedded(tmp_path / "var") as (bootstrap, database):
        assert kafka.why_silent(bootstrap) is None
        assert postgres.why_silent(database) is None
        running = Stack(tmp_path / "var").processes()
    assert gone(running)()
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "a:1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://b")
    with embedded(tmp_path / "unused") as named:
        assert named == ("a:1", "postgresql://b")
    assert not (tmp_path / "unused").exists()


def test_a_scaled_clock_keeps_its_anchor_between_starts(tmp_path: Path) -> None:
    environ = {"KEPT_CLOCK": "scaled:60:2011-11-22T06:00:00+00:00"}
    anchored = clock(environ, tmp_path / "clock")
    assert anchored.startswith(f"{environ['KEPT_CLOCK']}@")
    assert clock(environ, tmp_path / "clock") == anchored
    with pytest.raises(CannotStart, match="KEPT_CLOCK cannot be used"):
        clock({"KEPT_CLOCK": "sundial"}, tmp_path / "clock")


def test_servers_that_the_environment_names_are_used(stack: Stack, tmp_path: Path) -> None:
    stack.up()
    guest = Stack(tmp_path / "guest", KAFKA_BOOTSTRAP_SERVERS=stack.told["kafka"], DATABASE_URL=stack.told["database"])
    guest.up()
    try:
        assert guest.told["processes"] == {}
        assert (guest.told["kafka"], guest.told["database"]) == (stack.told["kafka"], stack.told["database"])
    finally:
        guest.run(*COMMAND, "down")


def test_a_named_server_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        said = Stack(tmp_path / "var", KAFKA_BOOTSTRAP_SERVERS=address, DATABASE_URL=f"postgresql://{address}/x").refusal()
    assert "kafka that the environment names does not answer" in said


@pytest.mark.parametrize("setting", ["KEPT_KAFKA_PORT", "KEPT_POSTGRES_PORT"])
def test_a_taken_port_is_refused(tmp_path: Path, setting: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = Stack(tmp_path / "var", **{setting: port}).refusal()
    assert said == f"Port {port} is taken by another program: free it, or set {setting} to another port."


def test_without_network_and_cache_a_start_says_so(tmp_path: Path) -> None:
    unreachable = "http://127.0.0.1:9"
    said = Stack(tmp_path / "var", KEPT_CACHE=str(tmp_path / "cache"), HTTPS_PROXY=unreachable, HTTP_PROXY=unreachable).refusal()
    assert "could not be fetched" in said
    assert "KAFKA_BOOTSTRAP_SERVERS" in said


def test_a_changed_jar_is_refused_by_name(tmp_path: Path) -> None:
    shutil.copytree(cache(os.environ), tmp_path / "cache")
    (jar,) = (tmp_path / "cache").rglob("kafka-clients-*.jar")
    with jar.open("ab") as file:
        file.write(b"!")
    said = Stack(tmp_path / "var", KEPT_CACHE=str(tmp_path / "cache")).refusal()
    assert jar.name in said
    assert "was changed" in said


def test_a_broker_starts_from_the_classes_that_were_kept(tmp_path: Path) -> None:
    node = kafka.Node(1, 29_092, 29_093, tmp_path / "kafka")
    command = kafka.prepare(node, [node], os.environ)
    java = command[: command.index("kafka.Kafka")]
    assert any(option.startswith("-XX:AOTCache=") for option in java)
    insisting = subprocess.run([*java, "-XX:AOTMode=on", "-version"], capture_output=True, text=True, check=False)
    assert insisting.returncode == 0, f"the file does not fit this Java or these jars: {insisting.stdout}{insisting.stderr}"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"a.jar": "1"}, "b.jar is missing"),
        ({"a.jar": "1", "b.jar": "2", "c.jar": "3"}, "c.jar is not in"),
        ({"a.jar": "1", "b.jar": "9"}, "b.jar is not the one"),
    ],
)
def test_every_difference_from_the_lock_is_named(found: dict[str, str], words: str) -> None:
    assert str(compare(found, {"a.jar": "1", "b.jar": "2"})).startswith(words)


def test_a_full_disk_is_refused(tmp_path: Path) -> None:
    own_mount = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", 'mount -t tmpfs -o size=64m none "$0" && exec "$@"', str(tmp_path))
    if subprocess.run([*own_mount, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mounts of one's own here")
    said = Stack(tmp_path / "var", prefix=own_mount).refusal()
    assert "are free" in said
    assert "make room" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test here ran as an ordinary user already")
def test_an_ordinary_user_starts_a_stack(tmp_path_factory: pytest.TempPathFactory) -> None:
    ordinary = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *READ_ALL)
    var = tmp_path_factory.mktemp("ordinary")
    os.chown(var, 65534, 65534)
    stack = Stack(var, prefix=ordinary)
    stack.up()
    try:
        assert stack.is_whole()
        assert {psutil.Process(pid).uids().real for pid in stack.processes()} == {65534}
    finally:
        assert stack.run(*COMMAND, "down").returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user for PostgreSQL")
def test_root_without_user_namespaces_starts_a_stack(stack: Stack, tmp_path: Path) -> None:
    for name in ("setpriv", "test"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    stack.environment["PATH"] = str(tmp_path)
    stack.up()
    assert stack.is_whole()
    assert psutil.Process(stack.told["processes"]["postgres"]).uids().real == 65534
    running = stack.processes()
    os.kill(stack.supervisor, signal.SIGKILL)
    until(gone(running), 8)
    stack.up()
    assert stack.is_whole()
