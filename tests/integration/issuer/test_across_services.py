"""Signed in by the issuer, let in by another service, and sent away by a word to the issuer: over the topic and both services' tables."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from services.issuer.agents import STAGE as ISSUER
from services.issuer.seed import seed
from services.kit.http.revoked import Revoked
from services.kit.settings import KitSettings
from services.kit.worker import Worker
from services.loyalty.agents import STAGE as LOYALTY
from tests.support.apps import answering
from tests.support.polling import poll_until
from tests.support.workers import working

ROOT = Path(__file__).parents[3]


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("issuer", "loyalty")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """An API that reads its table for every request."""
    monkeypatch.setattr(Revoked, "fresh_seconds", -1.0)
    monkeypatch.setattr("services.kit.http.reread.Reread.pause_seconds", 0.0)


async def _sign_in(issuer: httpx.AsyncClient, badge: str, pin: str) -> dict[str, str]:
    given = await issuer.post("/oauth/token", json={"grant_type": "badge", "badge": badge, "pin": pin})
    return {"authorization": f"Bearer {given.raise_for_status().json()['access_token']}"}


async def test_a_seeded_badge_signs_in_everywhere_until_it_is_revoked_and_again_after(
    database_url: str, kafka: str, prefix: str, tmp_path: Path
) -> None:
    settings = KitSettings(KAFKA_BOOTSTRAP_SERVERS=kafka, DATABASE_URL=database_url, topic_prefix=prefix, var=tmp_path)
    file = await seed(settings)
    told = file.read_text()
    assert await seed(settings) == file
    assert (file.read_text(), file.stat().st_mode & 0o777) == (told, 0o600)
    pins = json.loads(told)["pins"]
    async with (
        working(Worker(ISSUER, settings=settings)),
        working(Worker(LOYALTY, settings=settings)),
        answering("issuer", tmp_path, database_url) as issuer,
        answering("loyalty", tmp_path, database_url) as loyalty,
    ):
        admin, planner = [await _sign_in(issuer, badge, pins[badge]) for badge in ("admin-1", "planner-1")]

        async def status() -> int:
            return (await loyalty.get("/v1/upgrade-rules", headers=planner)).status_code

        async def refused() -> bool:
            return await status() == 403

        assert await status() == 200
        asked = await issuer.post("/v1/revocations", json={"subject": "planner-1"}, headers=admin)
        assert asked.status_code == 200
        await poll_until(refused, 30)
        planner = await _sign_in(issuer, "planner-1", pins["planner-1"])
        assert await status() == 200
        assert (await loyalty.get("/v1/upgrade-rules", headers=admin)).status_code == 200


@pytest.mark.parametrize("process", ["api", "worker", "seed"])
def test_outside_the_embedded_stack_it_does_not_start(process: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "KEPT_EMBEDDED"}
    done = subprocess.run(
        [sys.executable, "-m", "services.issuer.main", process], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "The issuer runs in the embedded stack alone: elsewhere use a real OpenID provider, and name its keys in KEPT_JWKS_URL.\n"
