"""A mail that warns of a delivery may offer another day: which one is asked once, and stands however often the mail is tried."""

from alembic import op

revision = "notifications_0007"
down_revision = "notifications_0006"


def upgrade() -> None:
    # `date_wanted`: the day was not asked for yet. `offered` is the day as the mail says it.
    op.execute("alter table messages add column date_wanted boolean not null default false, add column offered text")
    op.execute("alter table messages add check (offered is null or not date_wanted), add check (intent = 'at_risk' or not date_wanted)")
