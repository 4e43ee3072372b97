"""Orders by appointment: the day that a person promised in the ledger is what their release waits for."""

from collections.abc import Sequence

from services.kit.database import Transaction
from services.kit.promise.duties import Bound
from services.kit.promise.state import Kind, Promise, Verdict
from services.kit.trace import own_cause
from services.orders import decisions
from services.orders.book import Wanted
from services.orders.domain import BY_APPOINTMENT, Promised
from services.orders.store import PostgresStore


async def agree_days(work: Transaction, changed: Sequence[Bound]) -> None:
    """The orders whose day was just promised have it. May run twice."""
    days = {made.said.order_id: made for made in (bound.promise for bound in changed if bound.before is None) if _is_a_day(made)}
    if not days:
        return
    store = PostgresStore(work)
    book = await store.load(Wanted(order_ids={order_id for order_id in days if order_id}))
    for order_id, order in book.orders.items():
        if order.service == BY_APPOINTMENT:
            agreed = days[order_id]
            book.note(decisions.take_promise(order, Promised(agreed.promise_id, agreed.said.due.at), work.now), own_cause())
    await store.record(book)


def _is_a_day(promise: Promise) -> bool:
    return promise.said.kind is Kind.DELIVERY_DATE and promise.said.order_id is not None and promise.stands.verdict is Verdict.OPEN
