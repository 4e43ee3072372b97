"""The tables of a view of the promises (`services.kit.promise.view`), made by one revision of each service that holds one."""

from alembic import op

from services.kit.promise.agreement import BUCKET_COLUMN

_TABLES = (
    # One row per promise, as its entries make it. `made` is what was said, `words` the sentence, `salt` what its commitment was made with.
    f"""create table promise_view (
        promise_id uuid primary key, {BUCKET_COLUMN}, seq int not null, position bigint not null, customer_id uuid not null, order_id uuid,
        verdict text not null, made text not null, standing text not null, salt bytea, words text)""",
    "create index promise_view_bucket on promise_view (bucket)",
    "create index promise_view_position on promise_view (position)",
    "create index promise_view_customer on promise_view (customer_id)",
    "create index promise_view_order on promise_view (order_id) where order_id is not null",
    # Which entry stood at which position: nobody can put another one there unnoticed.
    "create table promise_view_leaves (position bigint primary key, leaf_hash bytea not null)",
    # Up to where all entries were applied, and up to where some were heard of; the last signed size of the ledger that continued the one before.
    """create table promise_view_state (
        one boolean primary key default true check (one), position bigint not null default 0, heard_to bigint not null default 0,
        witnessed_size bigint not null default 0, witnessed_root bytea, witnessed_note text, witnessed_key text)""",
    "insert into promise_view_state default values",
)


_REPORTS = """create table promise_reports (
    report_id uuid primary key, number bigint generated always as identity unique, body text not null)"""


def create_promise_view() -> None:
    """Called by one revision of every service that holds a view."""
    for statement in _TABLES:
        op.execute(statement)


def create_promise_reports() -> None:
    """Called by one revision of every service whose departments have duties (`services.kit.promise.duties`)."""
    op.execute(_REPORTS)
