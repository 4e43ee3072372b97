"""The last moment at which an open promise can still be kept."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    # Business time; null where a departure decides, and once it is settled or somebody was warned. What was promised before is not warned of.
    op.execute("alter table ledger_promises add column late_at timestamptz")
    op.execute("create index ledger_promises_late on ledger_promises (late_at) where late_at is not null")
