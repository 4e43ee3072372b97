"""The API process of every service: what it loads, how it waits for its database, what it says while that is away, and how it ends."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
import pytest
from psycopg import sql

from deploy.local.programs import SERVICES
from tests.support.polling import poll_until

ROOT = Path(__file__).parents[3]
_RUN = """
import runpy, sys
sys.argv = ["main", "api"]
runpy.run_module("services.{}.main", run_name="__main__", alter_sys=True)
print("loaded:", *sorted({{name.partition(".")[0] for name in sys.modules}} & {{"aiokafka", "kafka", "faust", "mode"}}))
"""


@dataclass
class Process:
    """An API process; `url` is its operations listener."""

    popen: "subprocess.Popen[str]"
    url: str

    async def says(self, path: str) -> tuple[int, str]:
        async with httpx.AsyncClient() as client:
            try:
                answer = await client.get(self.url + path)
            except httpx.TransportError:
                return 0, ""
        return answer.status_code, answer.text.strip()

    async def end(self) -> tuple[int, str]:
        """Told to stop: its exit code and what it printed last. Raises TimeoutExpired after 3 s."""
        self.popen.send_signal(signal.SIGTERM)
        printed, _ = await asyncio.to_thread(self.popen.communicate, timeout=3)
        return self.popen.returncode, printed.splitlines()[-1]


@contextmanager
def api_process(service: str, database_url: str, folder: Path) -> Iterator[Process]:
    with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("127.0.0.1", 0)) as other:
        port, operations = free.getsockname()[1], other.getsockname()[1]
    name = f"KEPT_{service.upper()}"
    told = {"DATABASE_URL": database_url, "KEPT_VAR": str(folder), f"{name}_API_PORT": str(port), f"{name}_API_OPS_PORT": str(operations)}
    popen = subprocess.Popen(
        [sys.executable, "-c", _RUN.format(service)], cwd=ROOT, env=os.environ | told, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Process(popen, f"http://127.0.0.1:{operations}")
    finally:
        popen.kill()
        popen.communicate()


@pytest.mark.parametrize("service", SERVICES)
async def test_an_api_loads_no_kafka_client(service: str, database_url: str, tmp_path: Path) -> None:
    with api_process(service, database_url, tmp_path) as process:
        await poll_until(lambda: _answers(process, "/readyz", 200), 30)
        assert await process.end() == (0, "loaded:")


@pytest.mark.parametrize("service", SERVICES)
async def test_an_api_that_waits_for_its_server_ends_when_told_to(service: str, tmp_path: Path) -> None:
    with api_process(service, "postgresql://postgres:x@127.0.0.1:1/none", tmp_path) as process:
        await poll_until(lambda: _answers(process, "/readyz", 503), 30)
        assert (await process.end())[0] == 0


async def test_an_api_that_waits_for_its_tables_ends_when_told_to(database_url: str, tmp_path: Path) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("drop schema loyalty cascade; create schema loyalty authorization kept_loyalty")
    with api_process("loyalty", database_url, tmp_path) as process:
        await poll_until(lambda: _answers(process, "/readyz", 503), 30)
        assert (await process.end())[0] == 0


async def test_an_api_says_when_its_database_is_away_and_lives_on(database_url: str, tmp_path: Path) -> None:
    name = urlsplit(database_url).path[1:]
    elsewhere = urlunsplit(urlsplit(database_url)._replace(path="/postgres"))
    with psycopg.connect(elsewhere, autocommit=True) as admin, api_process("loyalty", database_url, tmp_path) as process:
        await poll_until(lambda: _answers(process, "/readyz", 200), 30)
        admin.execute(sql.SQL("alter database {} allow_connections false").format(sql.Identifier(name)))
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
        await poll_until(lambda: _answers(process, "/readyz", 503))
        assert (await process.says("/readyz"))[1].startswith("the database does not answer (")
        assert (await process.says("/livez"))[0] == 200
        admin.execute(sql.SQL("alter database {} allow_connections true").format(sql.Identifier(name)))
        await poll_until(lambda: _answers(process, "/readyz", 200))


async def _answers(process: Process, path: str, status: int) -> bool:
    return (await process.says(path))[0] == status
