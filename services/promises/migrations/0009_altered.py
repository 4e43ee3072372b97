"""What a department's view last told of work rows that are not what was promised."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("alter table ledger_views add column altered uuid[] not null default '{}'")
