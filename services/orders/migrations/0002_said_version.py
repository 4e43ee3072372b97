"""What is said of an order is counted by itself: `version` moves with every change, `said_version` with every event."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("alter table orders add column said_version bigint")
    op.execute("update orders set said_version = version")
    op.execute("alter table orders alter column said_version set not null")
