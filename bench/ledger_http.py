"""Commands to the ledger by HTTP, signed in, measured and traced: through the promises API to the process that writes, one of each.

`python -m bench.ledger_http PORT CONNECTIONS SECONDS` is the client, with the bearer token in BENCH_TOKEN: every other command promises a call back,
the one between acknowledges an earlier one.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvloop

from bench.cpu import Meter, Spent, undisturbed
from bench.http_load import post
from bench.posting import free_port, postmaster_of, server
from bench.report import Row, Wanted
from services.kit import topics
from services.kit.ids import uuid7
from services.kit.promise.feed import TOPIC
from services.kit.settings import KitSettings
from services.kit.tokens import token

CONNECTIONS = 96
_WARM_SECONDS = 2.0
_BEHIND = 500
"""So many promises lie between one and its acknowledgement: it is answered by then."""


def measure(folder: Path, kafka: str, admin: str, *, seconds: float, rounds: int) -> list[Row]:
    """Medians of the rounds. `admin` is the address of a database with the schema of promises."""
    with _processes(folder, kafka, admin) as (api, ledger, port):
        postgres = asyncio.run(postmaster_of(admin))
        results = [_round(folder, port, {"api": api, "ledger": ledger, "postgres": postgres}, seconds) for _ in range(rounds)]
    median = {name: statistics.median(each[name] for each in results) for name in results[0]}
    more = {name: round(value, 2) for name, value in median.items() if name != "rate"}
    return [Row(f"ledger: commands by HTTP, {CONNECTIONS} connections", "commands/s", median["rate"], wanted=Wanted(2_000), more=more)]


def _round(folder: Path, port: int, pids: dict[str, int], seconds: float) -> dict[str, float]:
    def once() -> tuple[dict[str, Any], Spent]:
        _load(folder, port, _WARM_SECONDS)
        meter = Meter(**{name: [pid] for name, pid in pids.items()}, load=[os.getpid()])
        return _load(folder, port, seconds), meter.stop()

    done, spent = undisturbed(once)
    if done["refused"] or not done["taken"]:
        raise RuntimeError(f"{done['refused']} of {done['taken'] + done['refused']} commands were refused: {done['first_refused']}")
    told = {"rate": done["taken"] / done["seconds"], "p50_ms": done["p50_ms"], "p95_ms": done["p95_ms"]}
    told |= {f"{name}_cpu_us": spent.cpu[name] / done["taken"] * 1e6 for name in pids}
    print(f"  by HTTP: {told['rate']:,.0f} commands/s, { ({name: round(value) for name, value in told.items()}) }", flush=True)
    return told


def _load(folder: Path, port: int, seconds: float) -> dict[str, Any]:
    settings = KitSettings()
    signed = token(folder / "keys", "service", issuer=settings.token_issuer, audience=settings.token_audience, subject="bench")
    command = [sys.executable, "-m", "bench.ledger_http", str(port), str(CONNECTIONS), str(seconds)]
    done = subprocess.run(command, env={**os.environ, "BENCH_TOKEN": signed}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the client ended with {done.returncode}: {done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@contextmanager
def _processes(folder: Path, kafka: str, admin: str) -> Iterator[tuple[int, int, int]]:
    """The process ids of the API and of the process that writes, and the API's port."""
    names = ("promises_api", "promises_api_ops", "promises_ledger", "promises_ledger_ops")
    ports, prefix = {name: free_port() for name in names}, f"bench-{uuid4().hex[:8]}."
    topics.apply(kafka, prefix, only=[TOPIC])
    told = {f"KEPT_{name.upper()}_PORT": str(port) for name, port in ports.items()}
    told |= {"DATABASE_URL": admin, "KAFKA_BOOTSTRAP_SERVERS": kafka, "KEPT_TOPIC_PREFIX": prefix, "KEPT_VAR": str(folder.resolve())}
    told |= {"KEPT_API_PROCESSES": "1", "KEPT_PROMISES_LEDGER_URL": f"http://127.0.0.1:{ports['promises_ledger']}"}
    writing = server(["services.promises.main", "ledger"], told, ports["promises_ledger"])
    with writing as ledger, server(["services.promises.main", "api"], told, ports["promises_api"]) as api:
        yield api, ledger, ports["promises_api"]
    topics.remove(kafka, prefix)


def _commands(signed: str) -> Iterator[bytes]:
    """Without end, each under a key of its own."""
    waiting = deque[str]()
    while True:
        id = str(uuid7())
        yield _request("/v1/promises", signed, id, call_back(id))
        waiting.append(id)
        if len(waiting) > _BEHIND:
            yield _request(f"/v1/promises/{waiting.popleft()}/acknowledgements", signed, str(uuid7()), {"department": "care", "seen": True})


def call_back(id: str) -> dict[str, object]:
    """A promise that needs no goods, to a customer of its own."""
    due = {"said": "2031-11-28T18:00", "zone": "Europe/Berlin"}
    return {"promise_id": id, "customer_id": str(uuid4()), "order_id": str(uuid7()), "kind": "call_back", "due": due, "currency": "EUR"}


def _request(path: str, signed: str, key: str, said: dict[str, object]) -> bytes:
    body = json.dumps(said).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAuthorization: Bearer {signed}\r\nIdempotency-Key: {key}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def main(port: int, connections: int, seconds: float) -> None:
    sys.stdout.write(json.dumps(await post(port, connections, seconds, _commands(os.environ["BENCH_TOKEN"]))) + "\n")


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
