"""`make teeth`: the clean copy first, which must pass; then each planted bug, which must be caught by the check that it names."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from teeth.mutants import SIMULATION, Mutant
from teeth.planting import copy_to, plant

_SEEDS = 400
_VIOLATION = re.compile(r"^seed \d+: ([a-z ]+): ", re.MULTILINE)


def main() -> int:
    wanted = sys.argv[1:]
    mutants = [mutant for mutant in SIMULATION if not wanted or mutant.name in wanted]
    clean = violated(None)
    if clean:
        print(f"The code itself fails: {', '.join(sorted(clean))}.")
        return 1
    missed = [mutant for mutant in mutants if not _caught(mutant)]
    print(f"{len(mutants) - len(missed)} of {len(mutants)} planted bugs were caught.")
    return 1 if missed else 0


def _caught(mutant: Mutant) -> bool:
    found = violated(mutant)
    caught = mutant.fails in found
    print(f"  {'caught' if caught else 'MISSED'}  {mutant.name} ({mutant.fails}; violated: {', '.join(sorted(found)) or 'nothing'})", flush=True)
    return caught


def violated(mutant: Mutant | None) -> set[str]:
    """The invariants that the simulation finds violated in a copy of the code with this bug."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_to(folder)
        if mutant is not None:
            plant(mutant, folder)
        told = ["--world", mutant.world, "--until", mutant.fails] if mutant else []
        command = [sys.executable, "-m", "simulation", "--seeds", str(_SEEDS), *told]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode not in (0, 1) or "Traceback" in done.stderr:
            raise RuntimeError(f"the simulation itself broke:\n{done.stderr[-2000:]}")
        return set(_VIOLATION.findall(done.stdout))


if __name__ == "__main__":
    sys.exit(main())
