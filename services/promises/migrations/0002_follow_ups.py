"""An order that got no date is followed up: when it was told to hear more, how often it did, when to look again, and why it is said.

All null where nothing waits. What was declined before this revision stays with the person who has it: its cause was not kept.
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        "alter table orders_view add column answer_by timestamptz, add column follow_ups int, add column look_at timestamptz, "
        "add column cause_id uuid, add column correlation_id uuid, add column traceparent text"
    )
    op.execute("create index orders_view_look_at on orders_view (look_at) where look_at is not null")
