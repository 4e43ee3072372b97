"""Failpoints: what arms them, whom, how often, and what each action does to a process."""

import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from services.kit import failpoints
from services.kit.failpoints import POINTS, Misarmed, armed

ROOT = Path(__file__).parents[3]
_HIT = """
from services.kit.failpoints import ARMED, hit
spoilt = []
for number in range(1, 4):
    if ARMED:
        hit("relay.sent", "one" if number == 2 else "other", skew=lambda: spoilt.append(number))
    print(number, *spoilt, flush=True)
"""


def _environment(folder: Path, spec: str, process: str = "orders-worker") -> dict[str, str]:
    return {"KEPT_EMBEDDED": "1", "KEPT_VAR": str(folder), "KEPT_FAILPOINTS": spec, "SUPERVISOR_PROCESS_NAME": process}


def _run(folder: Path, spec: str) -> "subprocess.CompletedProcess[str]":
    told = {"PYTHONPATH": str(ROOT), **_environment(folder, spec)}
    return subprocess.run([sys.executable, "-c", _HIT], env=told, capture_output=True, text=True, check=False)


def test_every_point_stands_in_the_code_exactly_once() -> None:
    code = "".join(path.read_text() for path in (ROOT / "services").rglob("*.py"))
    assert Counter(re.findall(r'\bhit\("([^"]+)"', code)) == Counter(POINTS)


def test_no_point_could_be_taken_for_another_with_a_process_before_it() -> None:
    assert [(one, other) for one in POINTS for other in POINTS if one != other and other.endswith(f".{one}")] == []


def test_a_hit_is_always_behind_a_look_at_the_constant() -> None:
    for path in (ROOT / "services").rglob("*.py"):
        before = ""
        for line in path.read_text().splitlines():
            if re.match(r"\s+hit\(", line):
                assert re.match(r"\s+if ARMED\b.*:", before), f"{path}: {line.strip()}"
            before = line


def test_nothing_is_armed_by_default() -> None:
    assert failpoints.ARMED == {}
    assert armed({"KEPT_EMBEDDED": "1"}) == {}


def test_outside_the_embedded_stack_a_process_refuses_to_start(tmp_path: Path) -> None:
    told = {"PYTHONPATH": str(ROOT), "KEPT_FAILPOINTS": "relay.sent:kill", "KEPT_VAR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", _HIT], env=told, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (78, "")
    assert "outside the embedded stack" in done.stderr


@pytest.mark.parametrize(
    "spec", ["relay.sent", "relay.sent:explode", "relay.sent:sleep=x", "relay.else:kill", "xrelay.sent:kill", "relay.sent:kill@"]
)
def test_what_cannot_be_armed_is_refused(tmp_path: Path, spec: str) -> None:
    with pytest.raises(Misarmed):
        armed(_environment(tmp_path, spec))


@pytest.mark.parametrize(
    ("where", "process", "is_armed"),
    [
        ("relay.sent", "orders-api", True),
        ("orders.relay.sent", "orders-api", True),
        ("orders-worker.relay.sent", "orders-worker", True),
        ("orders-worker.relay.sent", "orders-api", False),
        ("orders.relay.sent", "loyalty-worker", False),
    ],
)
def test_a_point_is_armed_in_the_processes_it_names(tmp_path: Path, where: str, process: str, is_armed: bool) -> None:
    assert ("relay.sent" in armed(_environment(tmp_path, f"{where}:kill", process))) is is_armed


def test_a_file_may_say_it_and_may_be_missing(tmp_path: Path) -> None:
    file = tmp_path / "armed"
    assert armed(_environment(tmp_path, f"file:{file}")) == {}
    file.write_text("relay.sent:kill\norders.outbox.inserted:sleep=12@1\n")
    assert set(armed(_environment(tmp_path, f"file:{file}"))) == {"relay.sent", "outbox.inserted"}


@pytest.mark.parametrize(("action", "number"), [("kill", signal.SIGKILL), ("segv", signal.SIGSEGV)])
def test_it_ends_the_process(tmp_path: Path, action: str, number: int) -> None:
    done = _run(tmp_path, f"relay.sent:{action}@2")
    assert (done.returncode, done.stdout) == (-number, "1\n")


def test_hits_are_counted_over_restarts(tmp_path: Path) -> None:
    ends = [_run(tmp_path, "relay.sent:kill@4").returncode for _ in range(3)]
    assert ends == [0, -signal.SIGKILL, 0]


def test_without_a_number_every_hit_counts(tmp_path: Path) -> None:
    assert [_run(tmp_path, "relay.sent:kill").stdout for _ in range(2)] == ["", ""]


def test_only_where_the_id_is_in_hand(tmp_path: Path) -> None:
    done = _run(tmp_path, "relay.sent:raise?id=one")
    assert done.stdout == "1\n"
    assert "Stumbled: at relay.sent" in done.stderr


def test_it_spoils_what_the_point_offers(tmp_path: Path) -> None:
    assert _run(tmp_path, "relay.sent:skew@3").stdout == "1\n2\n3 3\n"


def test_it_sleeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("services.kit.failpoints.time.sleep", slept.append)
    monkeypatch.setattr(failpoints, "ARMED", armed(_environment(tmp_path, "relay.sent:sleep=0.5@2")))
    for _ in range(3):
        failpoints.hit("relay.sent")
    assert slept == [0.5]
