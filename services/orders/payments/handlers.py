"""Pays what is owed: note the intent, ask the provider, note the answer. A call that ended without an answer is asked about under the same key, by
this errand or by the next one after a crash; only where the provider has nothing under the key is it asked for again.
"""

from asyncio import gather
from collections.abc import Callable

from services.orders.payments.domain import Reason
from services.orders.payments.ports import Asked, PaymentProvider, ProviderAway, ProviderRefused, RefundBook, Refunded

Account = Callable[[], PaymentProvider]
"""Our account with the provider. Raises ProviderAway where none is configured."""

_AT_ONCE = 20


async def settle(book: RefundBook, account: Account, retry_seconds: int) -> int:
    """Carry on with what is owed, a few at a time. Returns how many came to something; what the provider does not answer for waits. Raises
    ProviderAway where that is all there was."""
    begun, decided = await book.begin(_AT_ONCE)
    waiting = await book.unsettled(retry_seconds, _AT_ONCE)
    tried = [_ask(asked, book, account) for asked in begun] + [_find_out(asked, book, account) for asked in waiting]
    outcomes = await gather(*tried, return_exceptions=True)
    failures = [each for each in outcomes if isinstance(each, BaseException)]
    settled = decided - len(begun) + sum(each is True for each in outcomes)
    for failure in failures:
        if not (settled and isinstance(failure, ProviderAway)):
            raise failure
    return settled


async def _find_out(asked: Asked, book: RefundBook, account: Account) -> bool:
    """Settle what was asked for before, as the provider tells it. Whether it is settled."""
    found = await account().find(asked.promise_id)
    if found is not None:
        return await _note(asked, found, book)
    if asked.wanted:
        return await _ask(asked, book, account)
    await book.withdraw(asked.promise_id)
    return True


async def _ask(asked: Asked, book: RefundBook, account: Account) -> bool:
    try:
        done = await account().refund(asked.promise_id, asked.payment_reference, asked.amount)
    except ProviderRefused:
        await book.refuse(asked.promise_id, Reason.PROVIDER_REFUSED)
        return True
    except ProviderAway:
        found = await account().find(asked.promise_id)
        return found is not None and await _note(asked, found, book)
    return await _note(asked, done, book)


async def _note(asked: Asked, done: Refunded, book: RefundBook) -> bool:
    if done.amount == asked.amount:
        await book.paid(asked.promise_id, done.refund_id)
    else:
        await book.refuse(asked.promise_id, Reason.PROVIDER_DIFFERS)
    return True
