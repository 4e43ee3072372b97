"""How figures compare, and how they are kept: expectations by hand."""

import json
from pathlib import Path

import pytest

from bench.cpu import Spent, undisturbed
from bench.report import Row, Wanted, write

RATE = Row("relay", "messages/s", 90.0, {"raw": 100.0, "other": 50.0}, raw="raw", wanted=Wanted(0.8, "ratio_to_raw"))
WAIT = Row("p95", "ms", 20.0, {"raw": 10.0, "other": 40.0}, raw="raw", less_is_better=True, wanted=Wanted(15, at_most=True))


@pytest.mark.parametrize(("row", "best", "raw", "met"), [(RATE, 0.9, 0.9, True), (WAIT, 0.5, 0.5, False), (Row("alone", "s", 1.0), None, None, None)])
def test_a_ratio_above_one_means_that_we_are_better(row: Row, best: float | None, raw: float | None, met: bool | None) -> None:
    assert (row.ratio_to_best_peer, row.ratio_to_raw, row.met) == (best, raw, met)


def test_what_is_measured_again_replaces_its_row_and_leaves_the_others(tmp_path: Path) -> None:
    kept = tmp_path / "var" / "bench.json"
    write(kept, [RATE, WAIT])
    write(kept, [Row("p95", "ms", 5.0, more={"p50": 2.0})])
    first, second = json.loads(kept.read_text())
    assert first == {
        "name": "relay", "unit": "messages/s", "ours": 90.0, "peers": {"raw": 100.0, "other": 50.0}, "ratio_to_best_peer": 0.9, "ratio_to_raw": 0.9,
        "wanted": "ratio_to_raw at least 0.8", "met": True,
    }  # fmt: skip
    assert second == {"name": "p95", "unit": "ms", "ours": 5.0, "peers": {}, "ratio_to_best_peer": None, "ratio_to_raw": None, "p50": 2.0}


def test_a_file_of_another_shape_is_written_anew(tmp_path: Path) -> None:
    kept = tmp_path / "bench.json"
    kept.write_text('{"stage": []}')
    write(kept, [RATE])
    assert [row["name"] for row in json.loads(kept.read_text())] == ["relay"]


@pytest.mark.parametrize(("foreign", "runs", "taken"), [([0.05], 1, 0.05), ([0.3, 0.1], 2, 0.1), ([0.3, 0.2, 0.4], 3, 0.2)])
def test_a_disturbed_round_is_run_again(foreign: list[float], runs: int, taken: float) -> None:
    rounds = [(share, Spent(1.0, {}, share)) for share in foreign]
    left, said = list(rounds), list[str]()
    assert undisturbed(lambda: left.pop(0), tell=said.append)[0] == taken
    assert len(rounds) - len(left) == runs
    assert len(said) == sum(share > 0.1 for share in foreign[:runs])
