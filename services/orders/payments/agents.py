"""What payments do for the promises that bind them: a row when one is heard of, money by an errand."""

from functools import cache

import msgspec

from services.kit.database import Database
from services.kit.promise.duties import Duties
from services.kit.promise.state import Department
from services.kit.stage import Errand
from services.orders.payments.handlers import settle
from services.orders.payments.ports import PaymentProvider, ProviderAway
from services.orders.payments.settings import PaymentSettings, payment_settings
from services.orders.payments.store import Refunds, differing, take

DUTIES = Duties(frozenset({Department.PAYMENTS}), take, differing=differing)


async def pay(database: Database) -> int:
    """What is owed and can be paid is paid, or a person is told why not."""
    return await settle(Refunds(database), account, payment_settings().payments_retry_seconds)


@cache
def account() -> PaymentProvider:
    """Our account with the payment provider. Raises ProviderAway where none is configured, or the demo provider has not granted it yet."""
    from services.orders.payments.clients import http_provider  # a worker that owes nothing does without httpx

    settings = payment_settings()
    if settings.payments_url is None:
        raise ProviderAway("no payment provider is configured: set KEPT_PAYMENTS_URL")
    return http_provider(settings.payments_url, _api_key(settings), settings.payments_timeout_seconds)


def _api_key(settings: PaymentSettings) -> str:
    if settings.payments_api_key and settings.payments_api_key.get_secret_value():
        return settings.payments_api_key.get_secret_value()
    try:
        return str(msgspec.json.decode((settings.var / "keys" / "payments.json").read_bytes())["api_key"])
    except FileNotFoundError as error:
        raise ProviderAway("no key for the payment provider is there: set KEPT_PAYMENTS_API_KEY") from error


ERRANDS = (Errand("refunds", pay),)
