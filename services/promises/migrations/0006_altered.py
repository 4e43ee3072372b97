"""What a department's view last told of work rows that are not what was promised."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("alter table ledger_views add column altered uuid[] not null default '{}'")
