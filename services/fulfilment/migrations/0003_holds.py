"""Holds that stand on orders, whether or not the order has a task yet."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """While an order has a row here, nobody claims its task and its parcel gets no further."""
    op.execute("create table order_holds (order_id uuid, hold_id uuid, reason text not null, owner text not null, primary key (order_id, hold_id))")
