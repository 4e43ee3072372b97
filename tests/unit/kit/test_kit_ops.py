"""The operations listener answers what a supervisor, a scraper and the demo's driver ask."""

import asyncio
import json
import subprocess
import sys
from typing import Any

import httpx

from services.kit.ops import Operations, listen


async def _progress() -> dict[str, Any]:
    return {"outbox": 0}


async def test_each_question_has_its_answer() -> None:
    wrong: dict[str, str | None] = {"live": None, "ready": "starting"}

    async def ready() -> str | None:
        return wrong["ready"]

    operations = Operations(live=lambda: wrong["live"], ready=ready, progress=_progress)
    async with listen(operations, "127.0.0.1", 0) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert ((await client.get("/livez")).status_code, (await client.get("/livez")).text) == (200, "ok\n")
        assert ((await client.get("/readyz")).status_code, (await client.get("/readyz")).text) == (503, "starting\n")
        wrong.update(live="nothing was consumed for 60 s", ready=None)
        assert (await client.get("/livez")).status_code == 503
        assert (await client.get("/readyz?verbose")).status_code == 200
        assert (await client.get("/progress")).json() == {"outbox": 0}
        assert "# TYPE" in (await client.get("/metrics")).text
        assert (await client.get("/secrets")).status_code == 404
        assert (await client.post("/livez")).status_code == 405


async def test_rubbish_and_silence_do_not_stop_it() -> None:
    async with listen(Operations(), "127.0.0.1", 0) as port:
        for sent in (b"", b"\x00\r\n\r\n", b"GET\r\n\r\n", b"x" * 20_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 2)
            writer.close()
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/livez")).status_code == 200


def test_a_worker_that_listens_imports_no_web_framework() -> None:
    script = "import sys, json, services.kit.ops, services.kit.logs, services.kit.metrics; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
    assert not {"fastapi", "starlette", "uvicorn", "sqlmodel", "sqlalchemy", "pydantic"} & set(loaded)
