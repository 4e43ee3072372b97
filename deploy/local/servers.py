"""A Kafka and a PostgreSQL for as long as a block runs: those of the environment, else containers where Docker answers, else embedded ones."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy.local import containers, description, postgres
from deploy.local.stack import BROKERS, DATABASE, configured


@contextmanager
def embedded(var: Path, database: Mapping[str, str] | None = None) -> Iterator[tuple[str, str]]:
    """Bootstrap servers and the database's address as its administrator. What the environment names is used, the rest runs from the folder.

    `database` are settings of PostgreSQL. Raises CannotStart. Whatever was started ends with the block, and with this process, however that ends.
    """
    if os.environ.get(BROKERS) and os.environ.get(DATABASE):
        yield os.environ[BROKERS], os.environ[DATABASE]
        return
    stack = configured(var, servers_only=True, database=database)
    stack.up(attached=True)
    try:
        told = description.read(stack.description)
        yield told["kafka"], told["database"]
    finally:
        stack.down()


@contextmanager
def for_tests(var: Path) -> Iterator[tuple[str, str]]:
    """As `embedded`, but from containers where the environment names nothing and a Docker engine answers, and for data that nobody misses."""
    named = os.environ.get(BROKERS) or os.environ.get(DATABASE)
    with containers.servers() if not named and containers.engine_answers() else embedded(var, postgres.FOR_TESTS) as addresses:
        yield addresses
