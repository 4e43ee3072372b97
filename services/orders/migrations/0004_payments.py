"""What a refund needs to know of an order's payment, the money that is owed by promise, and the credit account of each customer.

Entries of the account are never changed: the table is handed to a role that cannot log in (`services.kit.migrations`), and its trigger refuses
everything but new ones.
"""

from alembic import op

from services.kit.promise.tables import create_promise_reports

revision = "0004"
down_revision = "0003"

STATEMENTS = (
    "alter table orders add column payment_reference text",
    "update orders set payment_reference = body::json -> 'payment' ->> 'reference'",
    "alter table orders alter column payment_reference set not null",
    # One row per promise whose duty is ours; never its words. `asked`: the provider may or may not have done it. `paid_by` says which way the money
    # goes, `wanted` whether the promise still stands, `evidence_id` what shows that it was paid. `tried_at` is machine time.
    """create table refunds (
        promise_id uuid primary key, number bigint generated always as identity unique, order_id uuid, customer_id uuid not null,
        kind text not null check (kind in ('refund', 'credit', 'free_text')), quantity int not null, amount_minor bigint, currency text, cause uuid,
        state text not null check (state in ('owed', 'asked', 'paid', 'refused', 'withdrawn')), wanted boolean not null default true,
        paid_by text check (paid_by in ('card', 'account')), payment_reference text, reason text, evidence_id text, owed_at timestamptz not null,
        settled_at timestamptz, tries int not null default 0, tried_at timestamptz,
        check (kind = 'free_text' or (amount_minor > 0 and currency is not null)),
        check ((state = 'paid') = (evidence_id is not null)), check ((state = 'refused') = (reason is not null)),
        check (state <> 'asked' or (paid_by = 'card' and payment_reference is not null and tried_at is not null)))""",
    "create index refunds_owed on refunds (number) where state = 'owed'",
    "create index refunds_asked on refunds (tried_at) where state = 'asked'",
    "create index refunds_order on refunds (order_id) where paid_by = 'card'",
    "create index refunds_state on refunds (state, number)",
    # What was put to a customer's credit, or taken from it; what is there is the sum. One entry per promise.
    """create table credit_entries (
        number bigint generated always as identity primary key, entry_id uuid not null unique, promise_id uuid not null unique,
        customer_id uuid not null, currency text not null, delta_minor bigint not null check (delta_minor <> 0), entered_at timestamptz not null)""",
    "create index credit_entries_customer on credit_entries (customer_id, number)",
    """create function credit_refuse_change() returns trigger language plpgsql as $$
       begin raise exception '% is never changed: enter the difference', tg_table_name using errcode = '42501'; end $$""",
    """create trigger credit_entries_refuse_change before update or delete or truncate on credit_entries
       execute function credit_refuse_change()""",
    "alter table credit_entries enable always trigger credit_entries_refuse_change",
    "comment on table credit_entries is 'append-only'",
    "comment on function credit_refuse_change() is 'append-only'",
)


def upgrade() -> None:
    create_promise_reports()
    for statement in STATEMENTS:
        op.execute(statement)
