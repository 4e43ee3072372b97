"""Our account with the payment provider."""

from functools import cache

from pydantic import Field, SecretStr

from services.kit.settings import KitSettings


class PaymentSettings(KitSettings):
    """Names are read with the prefix KEPT_."""

    payments_url: str | None = Field(None, description="Base URL of the payment provider's API; while there is none, refunds wait.")
    payments_api_key: SecretStr | None = Field(
        None, description="Our key there; where not set, the one that the demo provider wrote into keys/payments.json."
    )
    payments_timeout_seconds: float = Field(5.0, gt=0, le=60, description="After this a call counts as unanswered, and is asked about.")
    payments_retry_seconds: int = Field(20, ge=1, description="After this a refund without an answer is asked about again.")


@cache
def payment_settings() -> PaymentSettings:
    """The settings of this process, read when first asked for."""
    return PaymentSettings()
