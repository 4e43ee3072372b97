"""Orders whose day a person agrees with the customer."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("alter table orders drop constraint orders_service_check")
    op.execute("alter table orders add constraint orders_service_check check (service in ('standard', 'overnight', 'appointment'))")
    op.execute("alter table orders drop constraint orders_check1")
    op.execute("""alter table orders add constraint orders_promised_check check ((promise_id is null) = (due_at is null)
        and (service = 'appointment' or (promise_id is null) = (hand_over_by is null)))""")
