"""Three hundred seeds of the simulated world, the same run from the same seed, and a world that is broken on purpose."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from services.kit.relay import Relay
from simulation.toy import till
from simulation.world import Run, simulate

ROOT = Path(__file__).parents[2]
SEEDS, AT_ONCE = 300, 50


@pytest.fixture(autouse=True)
def quiet_logs() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_nothing_is_lost_doubled_or_out_of_order(first: int) -> None:
    runs = [simulate(seed, till) for seed in range(first, first + AT_ONCE)]
    assert {run.seed: [str(each) for each in run.violations] for run in runs if run.violations} == {}
    assert all(sum(run.faults[fault] for run in runs) > 0 for fault in ("kill", "stop", "still", "kafka away", "replay"))
    assert min(run.sent for run in runs) > 0


def test_a_seed_replays_exactly() -> None:
    first, again, other = simulate(11, till), simulate(11, till), simulate(12, till)
    assert first == again
    assert first.trace != other.trace


def test_a_run_does_not_hang_on_how_texts_are_hashed() -> None:
    assert _trace("1") == _trace("2")


def _trace(hash_seed: str) -> str:
    command = [sys.executable, "-m", "simulation", "--seed", "7"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_a_relay_that_forgets_what_failed_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forget(self: Relay, messages: object) -> None:
        return None

    monkeypatch.setattr(Relay, "_send", forget)
    run: Run = simulate(11, till)
    assert "said once" in {violation.invariant for violation in run.violations}
