"""Changes of orders: what is set apart for them until they are settled, and the units that go back to their bins."""

from alembic import op

revision = "0007"
down_revision = "0006"

STATEMENTS = (
    # What was answered to each change that was asked for. The three arrays are the units set apart for it while it is prepared.
    """create table amendments (
        order_id uuid not null, amendment_id uuid not null, state text not null check (state in ('prepared', 'refused', 'committed', 'undone')),
        site text not null, skus text[] not null, bins text[] not null, quantities int[] not null,
        reason text, sentence text, substitutes jsonb, expected jsonb, decided_at timestamptz not null, primary key (order_id, amendment_id),
        check ((state = 'refused') = (reason is not null)), check (state = 'prepared' or cardinality(skus) = 0))""",
    "create index amendments_prepared on amendments (order_id) where state = 'prepared'",
    "create index amendments_id on amendments (amendment_id)",
    # Units that somebody picked and a changed order no longer wants: off the books until somebody says, by a scan, that they lie in their bin again.
    """create table pull_backs (
        pull_back_id uuid primary key, order_id uuid not null, task_id uuid not null, site text not null, sku text not null, bin text not null,
        quantity int not null check (quantity > 0), since timestamptz not null, done_at timestamptz, done_by text, scan_id uuid unique,
        check ((done_at is null) = (done_by is null)), check ((done_at is null) = (scan_id is null)))""",
    "create index pull_backs_open on pull_backs (site, since, pull_back_id) where done_at is null",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
