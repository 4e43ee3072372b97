"""A worker's process ends with its code, whatever is left running in it."""

import asyncio
import subprocess
import sys

import pytest

from services.kit import worker
from services.kit.worker import Worker
from tests.integration.kit import toy


async def _swallows_every_cancellation() -> None:
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue


async def _leaves_a_task(_: Worker) -> int:
    asyncio.get_running_loop().left = asyncio.create_task(_swallows_every_cancellation())  # type: ignore[attr-defined]  # only to keep it
    await asyncio.sleep(0)
    return 7


async def _is_cancelled_from_inside(_: Worker) -> int:
    raise asyncio.CancelledError


ENDINGS = {"leaves": (_leaves_a_task, 7), "cancelled": (_is_cancelled_from_inside, 1)}


@pytest.mark.parametrize("ending", ENDINGS)
def test_its_process_ends_with_its_code(ending: str) -> None:
    ended = subprocess.run([sys.executable, "-m", __name__, ending], timeout=30, check=False)
    assert ended.returncode == ENDINGS[ending][1]


if __name__ == "__main__":
    worker._until_told = ENDINGS[sys.argv[1]][0]
    worker.run(toy.worker())
