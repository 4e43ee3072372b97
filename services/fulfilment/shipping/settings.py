"""What shipping reads from its environment: carrier accounts, and how long the work takes."""

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Literal, cast

import msgspec
from pydantic import BaseModel, Field, SecretStr

from services.fulfilment.settings import fulfilment_settings
from services.fulfilment.shipping.domain import Rates
from services.fulfilment.shipping.labels.clients import kept_carrier
from services.fulfilment.shipping.labels.handlers import Account
from services.fulfilment.shipping.labels.ports import Carrier, CarrierAway
from services.fulfilment.shipping.schedule.domain import OWN
from services.fulfilment.shipping.van.labels import OwnVans
from services.kit.database import Database
from services.kit.settings import KitSettings

if TYPE_CHECKING:
    from starlette.requests import Request


class CarrierAccount(BaseModel):
    """How we speak with one carrier. `adapter` names the protocol; two carriers may speak the same one with accounts of their own."""

    adapter: Literal["kept"] = Field("kept", description="The protocol: `kept` is the demo carrier's.")
    url: str = Field(description="Base URL of the carrier's API.")
    api_key: SecretStr = Field(description="Our key there.")
    webhook_secrets: tuple[SecretStr, ...] = Field((), description="What the carrier signs webhooks with; two while a secret is being replaced.")
    timeout_seconds: float = Field(5.0, gt=0, le=60, description="After this a call counts as unanswered, and is asked about.")


class ShippingSettings(KitSettings):
    """Carrier accounts as one JSON object by carrier, and what shipping adds to the pace of the floor."""

    shipping_carriers: dict[str, CarrierAccount] = Field({}, description="Carrier accounts by carrier, as JSON.")
    carrier_url: str | None = Field(
        None, description="The demo carrier: stands in for carriers without an account, with the keys it wrote into keys/carriers.json."
    )
    shipping_dock_seconds: int = Field(120, ge=0, description="Of the work per order, what is left once the carton is packed.")
    shipping_upgrade_horizon_hours: int = Field(24, ge=1, le=168, description="An upgrade takes no departure later than this from now.")
    shipping_unknown_order_seconds: int = Field(30, ge=1, description="How long a wanted upgrade waits for its order to be released.")
    shipping_retry_seconds: int = Field(20, ge=1, description="After this the worker settles a label or manifest that no request settled.")

    @property
    def rates(self) -> Rates:
        """The floor's pace for what is to be picked, the dock's for the rest."""
        pace = fulfilment_settings().pace
        horizon, patience = timedelta(hours=self.shipping_upgrade_horizon_hours), timedelta(seconds=self.shipping_unknown_order_seconds)
        packing = max(0, pace.order_seconds - self.shipping_dock_seconds)
        return Rates(pace.line_seconds, packing, self.shipping_dock_seconds, horizon, patience)


@cache
def shipping_settings() -> ShippingSettings:
    """The settings of this process, read when first asked for."""
    return ShippingSettings()


@cache
def account(carrier: str) -> Carrier:
    """Our account with this carrier. Raises CarrierAway where none is configured: what waits for it is kept until one is."""
    if carrier == OWN:
        return OwnVans()
    found = _configured(carrier)
    if found is None:
        raise CarrierAway(f"no account with the carrier {carrier} is configured: add it to KEPT_SHIPPING_CARRIERS")
    return kept_carrier(found.url, found.api_key.get_secret_value(), found.timeout_seconds)


def webhook_secrets(carrier: str) -> list[str]:
    """What this carrier signs its webhooks with; none for a carrier we have no account with."""
    found = _configured(carrier)
    return [secret.get_secret_value() for secret in found.webhook_secrets] if found else []


def _configured(carrier: str) -> CarrierAccount | None:
    """The account of the settings, else the one that the demo carrier wrote down for us when it started."""
    settings = shipping_settings()
    if carrier in settings.shipping_carriers or settings.carrier_url is None:
        return settings.shipping_carriers.get(carrier)
    try:
        granted = msgspec.json.decode((settings.var / "keys" / "carriers.json").read_bytes())["accounts"]
        return CarrierAccount(url=settings.carrier_url, **granted[carrier]) if carrier in granted else None
    except FileNotFoundError:
        return None


def database_of(request: "Request") -> Database:
    """The process's database, which the application's lifespan opens."""
    return cast(Database, request.app.state.database)


def account_of(request: "Request") -> Account:
    """Our accounts with carriers: those that the application brings, else those of the settings."""
    return cast(Account, getattr(request.app.state, "carrier_account", account))


def secrets_of(request: "Request", carrier: str) -> list[str]:
    """What this carrier signs with: as the application says, else as the settings do."""
    given = getattr(request.app.state, "webhook_secrets", None)
    return list(given.get(carrier, ())) if given is not None else webhook_secrets(carrier)
