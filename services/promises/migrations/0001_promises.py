"""What carriers schedule, what waits, what was quoted, and the ledger of promises."""

from alembic import op

from services.kit.migrations import create_kit_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    # What fulfilment last said of each carrier service and of each site's queue; `version` is the source's.
    """create table carrier_services_view (
        carrier_service text primary key, version bigint not null, site text not null, service text not null, zone text not null,
        withdrawn boolean not null, departures jsonb not null, closed_on jsonb not null)""",
    """create table lanes_view (
        country text not null, postcode_prefix text not null, carrier_service text not null references carrier_services_view, lane jsonb not null,
        primary key (country, postcode_prefix, carrier_service))""",
    "create index lanes_view_carrier_service on lanes_view (carrier_service)",
    """create table queues_view (
        site text primary key, version bigint not null, work_seconds bigint not null, pickers int not null, measured_at timestamptz not null)""",
    # One row per question, for ever as it was answered; `answer` is the bytes that were sent.
    """create table quotes (
        quote_id uuid primary key, fingerprint bytea not null, inputs_hash bytea not null, ask jsonb not null, quote jsonb not null,
        answer bytea not null, asked_at timestamptz not null, valid_until timestamptz not null)""",
    # The head of each ledger: its last position and that entry's instant. Whoever writes entries holds this row's lock.
    "create table ledgers (ledger text primary key, head bigint not null check (head >= 0), recorded_at timestamptz not null)",
    "insert into ledgers values ('main', 0, '1970-01-01T00:00:00Z')",
    """create table promise_entries (
        ledger text not null references ledgers, position bigint not null check (position > 0), promise_id uuid not null,
        seq int not null check (seq > 0), kind text not null check (kind in ('made', 'kept', 'broken', 'released', 'evidence')),
        body text not null, occurred_at timestamptz not null, recorded_at timestamptz not null, key text not null unique,
        primary key (ledger, position), unique (promise_id, seq))""",
    # What the entries add up to. `missed_hand_over` is the hand-over whose miss the promise answers; one promise per order answers none.
    """create table promises (
        promise_id uuid primary key, made_at_position bigint not null unique, seq int not null, order_id uuid not null, customer_id uuid not null,
        state text not null check (state in ('open', 'kept', 'broken', 'released')), settled_at timestamptz,
        customer_text text not null, language text not null, due_on date not null, due_at timestamptz not null, zone text not null,
        hand_over_by timestamptz not null, carrier_service text not null, terms jsonb not null, quote_id uuid, replaces uuid references promises,
        missed_hand_over timestamptz, evidence jsonb not null, made_at timestamptz not null,
        cause_id uuid not null, correlation_id uuid not null, traceparent text not null,
        check ((state = 'open') = (settled_at is null)), check ((replaces is null) = (missed_hand_over is null)))""",
    "create unique index promises_first on promises (order_id) where replaces is null",
    "create unique index promises_answered on promises (order_id, missed_hand_over) where replaces is not null",
    "create index promises_due on promises (due_at, promise_id) where state = 'open'",
    # What this service has to know of an order: where it goes, how, and in which language. `declined`: the reason why nothing was promised.
    """create table orders_view (
        order_id uuid primary key, customer_id uuid not null, language text not null, zone text not null, placed_at timestamptz not null,
        quote_id uuid, ask jsonb not null, declined text)""",
)

# The service's role owns the table, since its migrations run as it; so the refusal rests on triggers that fire ALWAYS, besides the revoked
# rights (an owner may grant them to itself again). The full ledger adds an owner that cannot log in, and an insert trigger that refuses gaps.
APPEND_ONLY = (
    """create function refuse_change() returns trigger language plpgsql as $$
       begin raise exception '% is never changed: record another entry that names the mistaken one', tg_table_name; end $$""",
    *(
        statement
        for table in ("promise_entries", "quotes")
        for statement in (
            f"create trigger {table}_refuse_change before update or delete or truncate on {table} execute function refuse_change()",
            f"alter table {table} enable always trigger {table}_refuse_change",
            f"revoke update, delete, truncate on {table} from current_user",
        )
    ),
)


def upgrade() -> None:
    create_kit_tables()
    for statement in (*STATEMENTS, *APPEND_ONLY):
        op.execute(statement)
