"""An order may be changed after a date was promised for it: the date that would be promised is kept until it is decided, and then the promise says
for which change it was made. One promise per order answers neither a change nor a missed hand-over, and each of those is answered by one.
"""

from alembic import op

revision = "0010"
down_revision = "0009"

STATEMENTS = (
    "alter table orders_view add column amending jsonb",
    "alter table promises add column amendment_id uuid",
    "alter table promises drop constraint promises_check1",
    "alter table promises add constraint promises_replaces check (missed_hand_over is null or replaces is not null)",
    "alter table promises add check (replaces is null or missed_hand_over is not null or amendment_id is not null)",
    "create unique index promises_of_order_2 on promises (order_id, missed_hand_over, amendment_id) nulls not distinct",
    "drop index promises_of_order",
    "alter index promises_of_order_2 rename to promises_of_order",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
