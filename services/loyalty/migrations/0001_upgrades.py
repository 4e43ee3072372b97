"""History, views, rules, budgets and upgrades. The first rules are seeded here; they are changed by PUT /v1/upgrade-rules."""

from alembic import op

from services.kit.migrations import create_kit_tables

revision = "loyalty_0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    """create table customers (
        customer_id uuid primary key, pending int not null default 0 check (pending >= 0), completed int not null default 0 check (completed >= 0),
        upgraded_at timestamptz, before int not null default 0 check (before >= 0))""",
    """create table orders_view (
        order_id uuid primary key, customer_id uuid not null references customers, guest boolean not null, chosen_on date,
        signature_required boolean not null, po_box boolean not null, skus jsonb not null, total_minor bigint not null, currency text not null,
        state text not null check (state in ('pending', 'completed', 'cancelled')), version bigint not null)""",
    "create index on orders_view (customer_id)",
    "create table items_view (sku text primary key, may_fly boolean not null, version bigint not null)",
    """create table carrier_services_view (
        carrier_service text primary key, site text not null, service text not null check (service in ('standard', 'overnight')),
        zone text not null, departures jsonb not null, closed_on date[] not null, version bigint not null)""",
    "create index on carrier_services_view (site)",
    """create table lanes_view (
        carrier_service text not null references carrier_services_view, country text not null, postcode_prefix text not null,
        transit_days int not null, deliver_by time not null, delivers_on int[] not null, destination_zone text not null,
        label_minor bigint not null, currency text not null, primary key (country, postcode_prefix, carrier_service))""",
    "create index on lanes_view (carrier_service)",
    """create table rules (
        version int primary key, tiers jsonb not null, limit_minor bigint not null check (limit_minor >= 0), currency text not null,
        days_between int not null check (days_between >= 0), holdout_percent int not null check (holdout_percent between 0 and 100),
        changed_by text not null, changed_at timestamptz not null)""",
    # The last line of defence: no day ever commits more than its limit, whoever writes.
    """create table budget_days (
        on_date date not null, currency text not null, limit_minor bigint not null,
        reserved_minor bigint not null default 0 check (reserved_minor >= 0),
        spent_minor bigint not null default 0 check (spent_minor >= 0), primary key (on_date, currency),
        check (reserved_minor + spent_minor <= limit_minor))""",
    """create table upgrades (
        order_id uuid primary key, upgrade_id uuid not null unique, customer_id uuid not null, site text not null,
        state text not null check (state in ('declined', 'wanted', 'granted', 'withdrawn')), reason text, tier text not null,
        rules_version int not null references rules, decided_at timestamptz not null, decided_on date not null,
        carrier_service text, cost_minor bigint, currency text, version int not null,
        check ((state in ('declined', 'withdrawn')) = (reason is not null)),
        check (state = 'declined' or carrier_service is not null),
        check (num_nulls(carrier_service, cost_minor, currency) in (0, 3)))""",
    "create index on upgrades (decided_on, upgrade_id)",
    "create index on upgrades (customer_id)",
    """insert into rules values (1, '[{"tier": "silver", "from_orders": 3, "upgraded": true}, {"tier": "gold", "from_orders": 10, "upgraded": true}]',
        25000, 'GBP', 30, 10, 'migration', clock_timestamp())""",
)


def upgrade() -> None:
    create_kit_tables()
    for statement in STATEMENTS:
        op.execute(statement)
