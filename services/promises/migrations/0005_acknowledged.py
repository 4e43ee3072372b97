"""Until when the departments that a promise binds have to say that they have it."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # Machine time, by the database's clock; null once all have said so, or somebody was warned.
    op.execute("alter table ledger_promises add column acknowledge_by timestamptz")
    op.execute("create index ledger_promises_acknowledge on ledger_promises (acknowledge_by) where acknowledge_by is not null")
