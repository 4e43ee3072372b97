"""The real handlers of orders and fulfilment in the simulated world; every fiftieth seed on the services' own stores and PostgreSQL as well."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from simulation.loop import run_virtually
from simulation.real import RealDatabases
from simulation.shop.scenario import SERVICES, real_shop, shop
from simulation.shop.stores import comparable
from simulation.world import simulate

SEEDS, AT_ONCE = 300, 50


@pytest.fixture(autouse=True)
def quiet_logs() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.fixture
def services() -> tuple[str, ...]:
    return SERVICES


@pytest.fixture
def databases(database_url: str) -> Iterator[RealDatabases]:
    opened = RealDatabases(database_url, SERVICES)
    yield opened
    opened.close()


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_every_order_gets_one_answer_and_no_unit_is_promised_twice(first: int) -> None:
    runs = [simulate(seed, shop) for seed in range(first, first + AT_ONCE)]
    assert {run.seed: [str(each) for each in run.violations] for run in runs if run.violations} == {}


@pytest.mark.parametrize("seed", range(0, SEEDS, AT_ONCE))
def test_the_services_own_stores_end_in_the_same_tables(seed: int, databases: RealDatabases) -> None:
    fake, real = shop(seed, serialised=True), real_shop(seed, databases)
    of_fake, of_real = run_virtually(fake.run()), run_virtually(real.run())
    assert [str(each) for each in (*of_fake.violations, *of_real.violations)] == []
    assert real.steps == fake.steps
    found, wanted = comparable(real.scenario.tables()), comparable(fake.scenario.tables())  # type: ignore[attr-defined]  # both are shops
    for table, rows in wanted.items():
        assert found[table] == rows, table
    assert wanted["orders"]
