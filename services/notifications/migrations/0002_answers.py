"""A dated answer stands among the promises, in the order said, and is none."""

from alembic import op

revision = "notifications_0002"
down_revision = "notifications_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table promises_view add column answer bool not null default false")
