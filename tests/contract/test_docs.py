"""What is there is documented: every make target, setting, topic, event and command."""

import re
import tomllib
from pathlib import Path

from services.kit import catalogue, cli, configuration, metrics

ROOT = Path(__file__).parents[2]
PAGES = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
TOLD = "\n".join(page.read_text() for page in PAGES if page.exists())


def test_every_make_target_is_documented() -> None:
    targets = re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert len(targets) > 10
    assert [target for target in targets if not re.search(rf"\bmake {target}\b", TOLD)] == []


def test_every_make_target_that_is_documented_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", TOLD)) <= targets


def test_the_page_of_settings_is_up_to_date() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert page == configuration.markdown(), "run: kept config --markdown > docs/configuration.md"


def test_the_page_of_events_is_up_to_date() -> None:
    page = (ROOT / "docs" / "events.md").read_text()
    assert page == catalogue.markdown(), "run: kept topics describe > docs/events.md"


def test_every_setting_says_what_it_means() -> None:
    assert [each.name for each in configuration.settings({}) if not each.about.endswith(".")] == []


def test_every_topic_and_event_is_documented() -> None:
    register = tomllib.loads((ROOT / "schemas" / "topics.toml").read_text())["topics"]
    assert [topic for topic in register if topic not in TOLD] == []
    assert [event for topic in register.values() for event in topic["says"] if not re.search(rf"\b{event}\b", TOLD)] == []


def test_every_command_is_documented() -> None:
    (commands,) = [action.choices for action in cli.parser()._actions if action.choices]
    assert [name for name in commands or () if not re.search(rf"`kept {name}\b", TOLD)] == []


def test_every_metric_is_documented() -> None:
    names = re.findall(r'"(kept_[a-z_]+)"', Path(metrics.__file__).read_text())
    assert len(names) > 10
    assert [name for name in names if name not in TOLD] == []
