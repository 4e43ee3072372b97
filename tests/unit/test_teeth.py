"""The planted bugs fit the code as it stands: each statement is found exactly once. Whether they are caught, `make teeth` tells."""

from pathlib import Path

import pytest

from teeth.mutants import SIMULATION, Mutant
from teeth.planting import NotPlanted, copy_to, plant
from teeth.tested import TESTS


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    copy_to(folder)
    return folder


@pytest.mark.parametrize("mutant", (*SIMULATION, *TESTS), ids=lambda mutant: mutant.name)
def test_it_can_be_planted(mutant: Mutant, copy: Path) -> None:
    path = copy / mutant.file
    before = path.read_text()
    try:
        plant(mutant, copy)
        assert compile(path.read_text(), mutant.file, "exec")
        assert path.read_text() != before
    finally:
        path.write_text(before)


def test_a_statement_that_is_not_there_is_said(copy: Path) -> None:
    with pytest.raises(NotPlanted):
        plant(Mutant("none", "services/kit/relay.py", "Relay.run", "pass", "pass", "none"), copy)
    with pytest.raises(NotPlanted):
        plant(Mutant("none", "services/kit/relay.py", "Relay.elsewhere", "pass", "pass", "none"), copy)
