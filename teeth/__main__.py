"""`make teeth`: the clean copy first, which must pass; then each planted bug, which must be caught by the check that it names."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploy.local.servers import embedded
from teeth.mutants import SIMULATION, Mutant
from teeth.planting import copy_to, plant
from teeth.tested import TESTS

_SEEDS = 400
_VIOLATION = re.compile(r"^seed \d+: ([a-z ]+): ", re.MULTILINE)
_FAILED = re.compile(r"^FAILED (\S+).* - (.*)$", re.MULTILINE)
_NO_VERDICT = re.compile(r"ImportError|ModuleNotFoundError|NameError|SyntaxError|fixture")
"""What fails for a reason of its own has caught nothing."""


def main() -> int:
    wanted = sys.argv[1:]
    simulated, tested = ([each for each in mutants if not wanted or each.name in wanted] for mutants in (SIMULATION, TESTS))
    with tempfile.TemporaryDirectory() as servers, embedded(Path(servers)) as (kafka, database):
        os.environ |= {"KAFKA_BOOTSTRAP_SERVERS": kafka, "DATABASE_URL": database}
        fails = _violated(None) | _failed(None, [each.fails for each in tested])
        if fails:
            print(f"The code itself fails: {', '.join(sorted(fails))}.")
            return 1
        caught = [_caught(each, _violated(each)) for each in simulated]
        caught += [_caught(each, _failed(each, [each.fails])) for each in tested]
    print(f"{sum(caught)} of {len(caught)} planted bugs were caught.")
    return 0 if all(caught) else 1


def _caught(mutant: Mutant, found: set[str]) -> bool:
    caught = any(each.startswith(mutant.fails) for each in found)
    print(f"  {'caught' if caught else 'MISSED'}  {mutant.name} ({mutant.fails}; found: {', '.join(sorted(found)) or 'nothing'})", flush=True)
    return caught


def _violated(mutant: Mutant | None) -> set[str]:
    """The invariants that the simulation finds violated in a copy of the code with this bug."""
    told = ["--world", mutant.world, "--until", mutant.fails] if mutant else []
    done = _run(mutant, [sys.executable, "-m", "simulation", "--seeds", str(_SEEDS), *told])
    if "Traceback" in done.stderr:
        raise RuntimeError(f"the simulation itself broke:\n{done.stderr[-2000:]}")
    return set(_VIOLATION.findall(done.stdout))


def _failed(mutant: Mutant | None, tests: Sequence[str]) -> set[str]:
    """Which of the tests find something wrong in a copy of the code with this bug."""
    if not tests:
        return set()
    done = _run(mutant, [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--maxfail=3", *tests])
    if done.returncode not in (0, 1):
        raise RuntimeError(f"the tests themselves broke:\n{done.stdout[-2000:]}")
    return {name for name, why in _FAILED.findall(done.stdout) if not _NO_VERDICT.search(why)}


def _run(mutant: Mutant | None, command: list[str]) -> "subprocess.CompletedProcess[str]":
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_to(folder)
        if mutant is not None:
            plant(mutant, folder)
        told = os.environ | {"PYTHONPATH": name, "COLUMNS": "400"}  # or the reason of a failure is cut off
        return subprocess.run(command, cwd=folder, env=told, capture_output=True, text=True, check=False, timeout=600)


if __name__ == "__main__":
    sys.exit(main())
