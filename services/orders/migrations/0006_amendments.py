"""Changes of orders: what was asked for and what became of it; and what was paid for an order in all, which its total no longer says."""

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENTS = (
    # `amended` is the body as it now is; `body` stays as it was sent, since a repeated reference is compared with it.
    """alter table orders add column paid_minor bigint not null default 0 check (paid_minor >= 0),
        add column returned_minor bigint not null default 0 check (returned_minor between 0 and paid_minor), add column amended text""",
    "update orders set paid_minor = total_minor where payment_state <> 'pending'",
    "alter table orders alter column paid_minor drop default, alter column returned_minor drop default",
    # `body` and `before`: the whole order as it would be, and as it was. `refund_id` is the promise of what is owed back (`refund_minor`), made by an
    # errand once it is decided: `promised_at` says that the ledger has it, `not_promised` why it never will.
    """create table amendments (
        amendment_id uuid primary key, order_id uuid not null references orders on delete cascade, body text not null, before text not null,
        paid_minor bigint not null check (paid_minor >= 0), payment_reference text, refund_id uuid not null unique, reason text not null,
        requested_by text not null, requested_at timestamptz not null,
        status text not null check (status in ('pending', 'agreed', 'undone')), prepared boolean not null, dated boolean not null,
        due_at timestamptz, hand_over_by timestamptz, carrier_service text, refusal text, sentence text, decided_at timestamptz,
        refund_minor bigint not null check (refund_minor >= 0), promised_at timestamptz, not_promised text, instead text,
        check ((status = 'pending') = (decided_at is null)), check ((status = 'undone') = (refusal is not null and sentence is not null)),
        check (status <> 'agreed' or (prepared and dated)))""",
    "create unique index amendments_pending on amendments (order_id) where status = 'pending'",
    "create index amendments_order on amendments (order_id, requested_at)",
    "create index amendments_owed on amendments (decided_at) where refund_minor > 0 and promised_at is null and not_promised is null",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
