"""Whose turn it is to say something of a customer's messages: one transaction after the other, so that versions rise in the order of commits."""

from collections.abc import Iterable
from uuid import UUID

from services.kit.database import Transaction

_TAKE_TURNS = """
select pg_advisory_xact_lock(hashtextextended('messages ' || customer_id, 0))
from (select distinct unnest($1::uuid[]) as customer_id order by customer_id) in_id_order"""


async def take_turns(work: Transaction, customer_ids: Iterable[UUID]) -> None:
    """Before a version of these customers is drawn, and before their messages are locked; until the commit no other transaction draws one."""
    if ids := set(customer_ids):
        await work.connection.execute(_TAKE_TURNS, list(ids))
