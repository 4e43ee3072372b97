"""What waits is found in the order in which it was recorded, however much of it there is."""

from alembic import op

revision = "notifications_0003"
down_revision = "notifications_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create index messages_waiting on messages (seq) where state = 'waiting'")
    op.execute("drop index messages_next_try_at_idx")
