"""What fulfilment holds for promises, and what it reports of them to the ledger."""

from alembic import op

from services.kit.promise.tables import create_promise_reports

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    create_promise_reports()
    # Goods held for a promise: a line of the order's want, and of its task, above all lines that an order itself can have. `held_at` is machine time.
    op.execute(
        """create table promise_holds (
            promise_id uuid primary key, order_id uuid not null, kind text not null, sku text, quantity int not null check (quantity > 0),
            line int, state text not null check (state in ('held', 'confirmed', 'freed')), content text not null,
            carrier_service text, departs_at timestamptz,
            held_at timestamptz not null default clock_timestamp(), unique (order_id, line))"""
    )
    op.execute("create index promise_holds_unconfirmed on promise_holds (held_at) where state = 'held'")
