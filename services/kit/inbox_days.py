"""The inbox is partitioned by the day inside an event's id: partitions are made ahead, and dropped once no topic can repeat that day's events."""

from collections.abc import Sequence
from datetime import date, timedelta

import asyncpg
import structlog

from services.kit.clock import record_now
from services.kit.database import Database
from services.kit.failpoints import ARMED, hit

log = structlog.get_logger(__name__)

QUEUE = "with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0)"
"""Tables that are filled and emptied all day: vacuumed by count, not by share."""

PARTITIONS = """select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'inbox'::regclass and c.relname <> 'inbox_default'"""

RETENTION_DAYS = 14
"""Longer than any topic keeps its events (7 days; compacted topics are guarded by aggregate versions)."""


def inbox_statements(today: date, present: Sequence[date]) -> list[str]:
    """What keeps the inbox partitioned: days to come are made, days past retention are dropped. `present` are the days that have a partition."""
    wanted = [today + timedelta(days=ahead) for ahead in range(-1, 8)]
    oldest = today - timedelta(days=RETENTION_DAYS)
    make = [
        f"create table if not exists inbox_{day:%Y%m%d} partition of inbox for values from ('{day}') to ('{day + timedelta(days=1)}') {QUEUE}"
        for day in wanted
        if day not in present
    ]
    return make + [f"drop table inbox_{day:%Y%m%d}" for day in present if day < oldest]


def day_of_partition(name: str) -> date:
    """The day that a partition holds, from its name."""
    return date.fromisoformat(name.removeprefix("inbox_"))


async def keep_inbox(database: Database) -> None:
    """Bring the partitions up to date; workers beside each other take turns."""
    async with database.transaction() as work:
        await work.connection.execute("select pg_advisory_xact_lock(hashtext('kept inbox days'))")
        present = [day_of_partition(row[0]) for row in await work.connection.fetch(PARTITIONS)]
        for statement in inbox_statements(record_now().date(), present):
            try:
                async with work.connection.transaction():
                    await work.connection.execute(statement)
            except asyncpg.CheckViolationError:
                # Events of that day came before its partition: the default one holds them, and keeps holding that day.
                log.warning("a day of the inbox stays in the default partition", reason=statement[:60])
        if ARMED:
            hit("inbox.days_kept")
