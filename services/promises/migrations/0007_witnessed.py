"""How much of the ledger each department's keeper has seen signed, and found to continue what it saw before."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("alter table ledger_views add column witnessed_size bigint not null default 0")
