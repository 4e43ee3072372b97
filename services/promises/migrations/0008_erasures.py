"""Whose personal data was erased: nothing is promised to them any more."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    # `key` and `scope` are those of the request; `position` is from where on the ledger holds no words of the customer.
    op.execute(
        """create table ledger_erasures (
            customer_id uuid primary key, scope text not null, key text not null, position bigint not null, promises int not null,
            erased_at timestamptz not null, unique (key, scope))"""
    )
