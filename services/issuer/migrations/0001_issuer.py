"""Staff by badge, storefronts by client, and from when tokens of a subject count. Secrets stand as hashes."""

from alembic import op

from services.kit.migrations import create_kit_tables

revision = "issuer_0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    """create table staff (
        badge text primary key, name text not null, role text not null, site text, active boolean not null, pin_hash text,
        check (role in ('picker', 'loader', 'driver', 'care', 'planner', 'admin')))""",
    "create table storefronts (client_id text primary key, channel text not null, active boolean not null, secret_hash text)",
    "create table subjects (subject text primary key, version bigint not null, not_before timestamptz not null)",
)


def upgrade() -> None:
    create_kit_tables()
    for statement in STATEMENTS:
        op.execute(statement)
