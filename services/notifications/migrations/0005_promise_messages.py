"""Mails about promises of the ledger stand among the messages; what is done for a promise is reported."""

from alembic import op

from services.kit.promise.tables import create_promise_reports

revision = "notifications_0005"
down_revision = "notifications_0004"

_ORDERS = "'confirmed', 'delayed', 'handed_over', 'delivered', 'cancelled'"
_PROMISES = "'promised', 'replaced', 'made_good', 'at_risk', 'information'"

STATEMENTS = (
    "alter table messages alter column order_id drop not null",
    # `about` is the ledger's promise, `earlier` the one that is told of beside it, `held_until` the end of the customer's night; `subject` and `body`
    # are what a person wrote.
    """alter table messages add column about uuid, add column customer_id uuid, add column earlier uuid, add column risk text,
        add column held_until timestamptz, add column subject text, add column body text""",
    "alter table messages drop constraint messages_intent_check",
    f"""alter table messages add constraint messages_of check (
        case when about is null then order_id is not null and customer_id is null and intent in ({_ORDERS})
        else order_id is null and customer_id is not null and intent in ({_PROMISES}) end)""",
    "alter table messages add check ((intent = 'at_risk') = (risk is not null))",
    # What was held back may be said again, should it become true again.
    """create unique index messages_once_of_promise on messages (about, intent, coalesce(risk, ''), channel)
        where about is not null and intent <> 'information' and state <> 'suppressed'""",
    "create index messages_about on messages (about) where about is not null",
    "create index messages_waiting_of_customer on messages (customer_id, seq) where about is not null and state = 'waiting'",
    "create index messages_held on messages (held_until) where held_until is not null and state = 'waiting'",
)


def upgrade() -> None:
    create_promise_reports()
    for statement in STATEMENTS:
        op.execute(statement)
