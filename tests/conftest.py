"""Fixtures that every test may use. Servers are started once per run, and only when a test asks for them."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog
from xdist.scheduler import LoadScopeScheduling

from deploy.local.errors import CannotStart
from deploy.local.servers import for_tests
from services.kit.values import NewId
from tests.support.databases import Templates, migrated_services
from tests.support.ids import numbered_ids

structlog.configure(
    processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer(["event"])],
    wrapper_class=structlog.stdlib.BoundLogger,
    logger_factory=structlog.stdlib.LoggerFactory(),
)


_E2E, _IN_PARTS = "e2e", "test_every_operation_keeps_its_word"
_ENDS = pytest.StashKey[ExitStack]()
_SHARED = pytest.StashKey[tuple[str, str] | None]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Workers side by side share one pair of servers, which runs as long as the process that hands out their tests."""
    stash = node.config.stash
    if _SHARED not in stash:
        stash[_SHARED] = _started(stash.setdefault(_ENDS, ExitStack()))
    node.workerinput["servers"] = stash[_SHARED]


def _started(ends: ExitStack) -> tuple[str, str] | None:
    """None where they cannot start: then the tests that need them say why."""
    try:
        return ends.enter_context(for_tests(Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="kept-tests-")))))
    except CannotStart:
        return None


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash.get(_ENDS, ExitStack()).close()


class _ByFile(LoadScopeScheduling):
    """Hands out whole files, whose tests share what they opened; those on a whole stack one after the other, since a stack is every process of Kept;
    and the parts of the longest test one by one. (The groups of `--dist loadgroup` are not seen by it any more: pytest 9.2 keeps ids elsewhere.)"""

    def _split_scope(self, nodeid: str) -> str:
        if f"/{_E2E}/" in nodeid:
            return _E2E
        return nodeid if _IN_PARTS in nodeid else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those on a whole stack come first, then the files that take long, so that none of them is left alone at the end."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if _E2E in item.path.parts:
        return 0
    if {"fuzz", "simulation"}.intersection(item.path.parts):
        return 1
    return 2 if any(item.iter_markers("servers")) or any(item.iter_markers("kill")) else 3


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Bootstrap servers, and the database's address as its administrator: those of the environment, else a pair of this run's own."""
    named = os.environ.get("KAFKA_BOOTSTRAP_SERVERS"), os.environ.get("DATABASE_URL")
    shared = getattr(pytestconfig, "workerinput", {}).get("servers")
    if named[0] and named[1]:
        yield named[0], named[1]
    elif shared:
        yield tuple(shared)
    else:
        with for_tests(tmp_path_factory.mktemp("servers")) as addresses:
            yield addresses


@pytest.fixture(scope="session")
def kafka(servers: tuple[str, str]) -> str:
    """Bootstrap servers."""
    return servers[0]


@pytest.fixture(scope="session")
def templates(servers: tuple[str, str]) -> Iterator[Templates]:
    made = Templates(servers[1])
    yield made
    made.close()


@pytest.fixture
def services() -> tuple[str, ...]:
    """Whose schemas `database_url` holds: all that have migrations. A test module overrides it to name its own."""
    return migrated_services()


@pytest.fixture
def database_url(templates: Templates, services: tuple[str, ...]) -> Iterator[str]:
    """A database of this test's own, as its administrator; `services.kit.database.service_url(database_url, service)` is a service's login."""
    with templates.clone(services) as url:
        yield url


@pytest.fixture
def topics() -> tuple[str, ...] | None:
    """Which topics `prefix` makes: all of the register (None), or those that a test module names."""
    return None


@pytest.fixture
def prefix(kafka: str, topics: tuple[str, ...] | None) -> Iterator[str]:
    """A topic prefix of this test's own; its topics exist, and the one that every worker hears, and are deleted afterwards."""
    from services.kit.revocations import TOPIC
    from services.kit.topics import apply, remove

    name = f"t{secrets.token_hex(4)}."
    apply(kafka, name, only=topics and (*topics, TOPIC))
    yield name
    remove(kafka, name)


@pytest.fixture
def new_id() -> NewId:
    """Ids in a row, the same in every run."""
    return numbered_ids()
