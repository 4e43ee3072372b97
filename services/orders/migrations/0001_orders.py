"""Orders, their holds and links; customers and addresses; items; promises as the customer reads them; what was refused and what waits."""

from alembic import op

from services.kit.migrations import create_kit_tables

revision = "0001"
down_revision = None

STATEMENTS = (
    # `body` is the submission in its canonical form: what a repeated reference is compared with, and where the lines are read from.
    """create table orders (
        order_id uuid primary key, order_ref text not null unique, channel text not null, external_ref text not null, customer_id uuid not null,
        address_id uuid not null, guest boolean not null, site text not null, placed_at timestamptz not null, currency text not null,
        goods_minor bigint not null check (goods_minor > 0), charges_minor bigint not null, total_minor bigint not null check (total_minor >= 0),
        service text not null check (service in ('standard', 'overnight')), quote_id uuid, chosen_on date, signature_required boolean not null,
        po_box boolean not null, country text not null, postcode_prefix text not null, zone text not null, language text not null,
        payment_state text not null check (payment_state in ('pending', 'authorised', 'captured')),
        state text not null check (state in ('validating', 'released', 'picking', 'packed', 'handed_over', 'delivered', 'cancelled')),
        version bigint not null, checks text[] not null check (checks <@ array['payment_secured', 'stock', 'promise']),
        announced boolean not null, work_version bigint not null,
        promise_id uuid, due_at timestamptz, hand_over_by timestamptz, carrier_service text, declined_sentence text, answer_by timestamptz,
        cancel_request_id uuid, cancel_reason text, cancel_requested_by text, cancel_requested_at timestamptz, cancel_refusal text,
        released_at timestamptz, picking_at timestamptz, packed_at timestamptz, handed_over_at timestamptz, delivered_at timestamptz,
        cancelled_at timestamptz, fingerprint bytea not null, body text not null,
        unique (channel, external_ref), check (goods_minor + charges_minor = total_minor),
        check ((promise_id is null) = (due_at is null) and (promise_id is null) = (hand_over_by is null)),
        check ((state = 'cancelled') = (cancelled_at is not null))) with (fillfactor = 70)""",
    "create index orders_customer on orders (customer_id, placed_at)",
    """create table holds (
        hold_id uuid primary key, order_id uuid not null references orders on delete cascade,
        reason text not null check (reason in ('fraud', 'address', 'payment', 'stock', 'items', 'manual')),
        owner text not null, note text not null, held_at timestamptz not null, lifted_at timestamptz)""",
    "create index holds_open on holds (order_id) where lifted_at is null",
    "create index holds_order on holds (order_id)",
    # The order waits for its items; nobody else has heard of it. The cause is what everything later said of it goes back to.
    """create table waiting_orders (
        order_id uuid primary key references orders on delete cascade, skus text[] not null, until_at timestamptz not null,
        cause_id uuid not null, correlation_id uuid not null, traceparent text not null)""",
    # Cancels and payments that came ahead of their order, as the messages they are.
    """create table early_events (
        event_id uuid primary key, channel text not null, external_ref text not null, until_at timestamptz not null,
        topic text not null, partition int not null, "offset" bigint not null, key bytea, type text not null, value bytea not null,
        headers bytea not null)""",
    "create index early_events_reference on early_events (channel, external_ref)",
    "create index early_events_due on early_events (until_at)",
    """create table refusals (
        order_id uuid not null, version bigint not null, channel text not null, external_ref text not null, reasons jsonb not null,
        refused_at timestamptz not null, fingerprint bytea not null unique, primary key (order_id, version))""",
    """create table items (sku text primary key, withdrawn boolean not null, version bigint not null)""",
    """create table customers (
        customer_id uuid primary key, version bigint not null, channel text not null, external_ref text, guest boolean not null, name text not null,
        email text not null, phone text, language text not null, zone text not null, check (guest = (external_ref is null)),
        unique (channel, external_ref))""",
    # `position` keeps the order of first use, from 0.
    """create table addresses (
        address_id uuid primary key, customer_id uuid not null references customers, position int not null, name text not null, line1 text not null,
        line2 text, city text not null, region text, postcode text not null, country text not null, po_box boolean not null)""",
    "create index addresses_customer on addresses (customer_id)",
    # What the customer was told, verbatim, and what became of it. The ledger is the promises service's; this is what the page shows.
    """create table promises_view (
        promise_id uuid primary key, order_id uuid not null references orders, customer_text text not null, language text not null,
        due_at timestamptz not null, zone text not null, replaces uuid, made_at timestamptz not null,
        verdict text not null check (verdict in ('open', 'kept', 'broken', 'released')), verdict_at timestamptz,
        check ((verdict = 'open') = (verdict_at is null)))""",
    "create index promises_view_order on promises_view (order_id)",
    # A customer's link to one order's page. Several may live; the secret itself is stored nowhere.
    """create table links (
        secret_hash bytea primary key, order_id uuid not null references orders on delete cascade, made_at timestamptz not null)""",
)


def upgrade() -> None:
    create_kit_tables()
    for statement in STATEMENTS:
        op.execute(statement)
