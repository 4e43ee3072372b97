"""The faults, each under its number in the matrix of `docs/reliability.md`: begun, ended, and waited for until what was hit is back."""

from chaos.run import events, processes, servers
from chaos.run.scene import Row

QUICK: dict[int, Row] = {
    22: events.duplicates,
    25: events.poison,
    28: events.the_future,
    36: events.one_key_fifty_times,
    34: events.race_for_picks,
    23: events.disorder,
    2: processes.crash_points,
    20: processes.slow_head,
    21: processes.spoilt_sequence,
    26: processes.deadly_event,
    12: processes.outbox_out_of_order,
    3: servers.lost_answers,
    17: servers.partition,
    18: servers.resets,
    19: processes.rebalances,
    1: processes.random_crash,
    4: processes.pause,
    7: servers.database_crash,
    8: servers.database_hang,
    27: events.poison_without_a_database,
    13: servers.leading_broker_killed,
    16: servers.all_brokers_killed,
}
"""Each once, in this order: what comes of the events before is there when the servers fall."""

ROWS: dict[int, Row] = QUICK | {9: servers.database_slow, 14: servers.two_brokers_away, 15: servers.two_brokers_frozen, 32: processes.backlog}
"""All; those that are not quick befall a longer run only."""
