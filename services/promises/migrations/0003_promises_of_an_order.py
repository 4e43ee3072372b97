"""The promises of an order are found by one index, which also says what the two partial ones before it did: one promise per order that answers
no missed hand-over, and one per hand-over that was missed. Neither of those could find the promises of an order, so that each batch read them all.
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("create unique index promises_of_order on promises (order_id, missed_hand_over) nulls not distinct")
    op.execute("drop index promises_first, promises_answered")
