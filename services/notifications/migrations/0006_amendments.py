"""What became of changes of orders is told, once each; one that moves the date waits for the words of its promise."""

from alembic import op

revision = "notifications_0006"
down_revision = "notifications_0005"

_ORDERS = "'confirmed', 'delayed', 'handed_over', 'delivered', 'cancelled', 'amended', 'amendment_undone'"
_PROMISES = "'promised', 'replaced', 'made_good', 'at_risk', 'information'"

STATEMENTS = (
    # `undone` are the words of why it was; `promise_id` is of the new date.
    """create table amendments_view (
        amendment_id uuid primary key, order_id uuid not null references orders_view, total_minor bigint, currency text, dated boolean, undone text,
        promise_id uuid, check (num_nulls(total_minor, currency, dated) in (0, 3)), check (undone is null or total_minor is null))""",
    "create index amendments_view_order on amendments_view (order_id)",
    "alter table messages add column amendment_id uuid",
    "alter table messages drop constraint messages_of",
    f"""alter table messages add constraint messages_of check (
        case when about is null then order_id is not null and customer_id is null and intent in ({_ORDERS})
        else order_id is null and customer_id is not null and intent in ({_PROMISES}) end)""",
    "alter table messages add check ((intent in ('amended', 'amendment_undone')) = (amendment_id is not null))",
    """create unique index messages_once_2 on messages (order_id, intent, promise_version, channel, amendment_id) nulls not distinct
        where about is null""",
    "drop index messages_once",
    "alter index messages_once_2 rename to messages_once",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
