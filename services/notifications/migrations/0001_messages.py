"""Orders, promises and contacts as far as a message needs them; messages, each of which can exist once."""

from alembic import op

from services.kit.migrations import create_kit_tables

revision = "notifications_0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    "create table orders_view (order_id uuid primary key, customer_id uuid, order_ref text, language text)",
    "create index on orders_view (customer_id)",
    """create table promises_view (
        promise_id uuid primary key, order_id uuid not null references orders_view, number int not null, words text not null,
        unique (order_id, number))""",
    # Erased contacts keep their version, so that an old event cannot bring them back.
    """create table contacts_view (
        customer_id uuid primary key, version bigint not null, email text, name text, language text, zone text,
        check (num_nulls(email, name, language, zone) in (0, 4)))""",
    # One sequence orders what is said of all messages, so that it rises for every customer.
    "create sequence message_versions",
    """create table messages (
        message_id uuid primary key, seq bigint generated always as identity, order_id uuid not null references orders_view,
        intent text not null, promise_version int not null, channel text not null check (channel in ('email')),
        promise_id uuid references promises_view,
        cause_id uuid not null, correlation_id uuid not null, traceparent text not null, recorded_at timestamptz not null,
        state text not null default 'waiting' check (state in ('waiting', 'sending', 'sent', 'failed', 'unknown', 'suppressed')),
        reason text, attempts int not null default 0, attempt_id uuid, next_try_at timestamptz not null default clock_timestamp(),
        language text, settled_at timestamptz,
        check (intent in ('confirmed', 'delayed', 'handed_over', 'delivered', 'cancelled')),
        check (state not in ('sending', 'sent', 'unknown') or attempt_id is not null),
        check (state not in ('failed', 'suppressed') or reason is not null))""",
    "create unique index messages_once on messages (order_id, intent, promise_version, channel)",
    "create index on messages (next_try_at) where state = 'waiting'",
    "create index on messages (seq) where state in ('sending', 'unknown')",
)


def upgrade() -> None:
    create_kit_tables()
    for statement in STATEMENTS:
        op.execute(statement)
