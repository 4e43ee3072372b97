"""What agents granted, in differences, and which of it somebody looked at afterwards."""

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENTS = (
    # Written in the commit of the entry that it repeats: a grant, or what a void took back. The sum is what an agent gave away.
    """create table ledger_goodwill (
        promise_id uuid not null, seq int not null, agent text not null, currency text not null, amount_minor bigint not null,
        granted_at timestamptz not null, primary key (promise_id, seq))""",
    "create index ledger_goodwill_agent on ledger_goodwill (granted_at, agent)",
    """create table ledger_goodwill_reviews (
        promise_id uuid primary key, reviewed_by text not null, reviewed_at timestamptz not null, remark text not null)""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
