"""What shipping reads from its environment: carrier accounts, and how long the work takes."""

from datetime import timedelta
from functools import cache
from typing import Literal

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.fulfilment.shipping.domain import Rates


class CarrierAccount(BaseModel):
    """How we speak with one carrier. `adapter` names the protocol; two carriers may speak the same one with accounts of their own."""

    adapter: Literal["kept"] = Field("kept", description="The protocol: `kept` is the demo carrier's.")
    url: str = Field(description="Base URL of the carrier's API.")
    api_key: SecretStr = Field(description="Our key there.")
    webhook_secrets: tuple[SecretStr, ...] = Field((), description="What the carrier signs webhooks with; two while a secret is being replaced.")
    timeout_seconds: float = Field(5.0, gt=0, le=60, description="After this a call counts as unanswered, and is asked about.")


class ShippingSettings(BaseSettings):
    """Names are read with the prefix KEPT_SHIPPING_, the accounts as one JSON object by carrier: KEPT_SHIPPING_CARRIERS."""

    model_config = SettingsConfigDict(env_prefix="KEPT_SHIPPING_", extra="ignore")

    carriers: dict[str, CarrierAccount] = Field(default_factory=dict, description="Carrier accounts by carrier, as JSON.")
    seconds_per_line: int = Field(20, ge=0, description="Picking work per order line, for slack and upgrades.")
    pack_seconds: int = Field(60, ge=0, description="Packing work per order.")
    dock_seconds: int = Field(120, ge=0, description="Work from the packed carton to the trailer.")
    upgrade_horizon_hours: int = Field(24, ge=1, le=168, description="An upgrade takes no departure later than this from now.")
    unknown_order_seconds: int = Field(30, ge=1, description="How long a wanted upgrade waits for its order to be released.")
    label_retry_seconds: int = Field(20, ge=1, description="After this the worker settles a label that no request settled.")

    @property
    def rates(self) -> Rates:
        horizon, patience = timedelta(hours=self.upgrade_horizon_hours), timedelta(seconds=self.unknown_order_seconds)
        return Rates(self.seconds_per_line, self.pack_seconds, self.dock_seconds, horizon, patience)


@cache
def shipping_settings() -> ShippingSettings:
    """The settings of this process, read when first asked for."""
    return ShippingSettings()
