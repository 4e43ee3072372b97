"""What fulfilment holds for promises, what it reports of them to the ledger, and what can be promised where there is none."""

from alembic import op

from services.kit.promise.tables import create_promise_reports

revision = "0006"
down_revision = "0005"

STATEMENTS = (
    # Goods are a line of the order's want and of its task, above all lines that an order itself can have; a place is one on a departure.
    # `held_at` is machine time: a hold that nobody confirmed is asked about.
    """create table promise_holds (
        promise_id uuid primary key, order_id uuid not null, sku text, quantity int not null check (quantity > 0), due_at timestamptz not null,
        state text not null check (state in ('held', 'confirmed', 'freed')), line int, carrier_service text, departs_at timestamptz,
        held_at timestamptz not null default clock_timestamp(), check ((sku is null) = (line is null)))""",
    "create index promise_holds_order on promise_holds (order_id, line)",
    "create index promise_holds_unsure on promise_holds (held_at) where state = 'held'",
    # What is as good as an item, the best first; what a supplier said will come.
    "create table substitutes (sku text not null, substitute text not null, rank int not null, primary key (sku, substitute))",
    """create table expected_receipts (
        expected_receipt_id uuid primary key, site text not null, sku text not null, quantity int not null check (quantity > 0),
        expected_at timestamptz not null, noted_by text not null, noted_at timestamptz not null)""",
    "create index expected_receipts_item on expected_receipts (site, sku, expected_at)",
    # Doors at which a driver of ours was.
    """create table van_stops (
        load_list_id uuid not null references load_lists, order_id uuid not null, started_by text not null, started_at timestamptz not null,
        missed text, primary key (load_list_id, order_id))""",
)


def upgrade() -> None:
    create_promise_reports()
    for statement in STATEMENTS:
        op.execute(statement)
