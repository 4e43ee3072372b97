"""Time zones by their IANA names, and which release of their rules this process reckons with."""

from functools import cache
from importlib.metadata import version
from pathlib import Path
from zoneinfo import TZPATH, available_timezones


@cache
def known_zones() -> frozenset[str]:
    """Every name that is a zone."""
    return frozenset(available_timezones())


@cache
def rules_release() -> str:
    """Such as `2026c`: of the system's rules, which `zoneinfo` prefers, where they say it; else of the package `tzdata`."""
    for folder in TZPATH:
        rules = Path(folder) / "tzdata.zi"
        if rules.exists():
            with rules.open() as file:
                return file.readline().removeprefix("# version").strip()
    return version("tzdata")
