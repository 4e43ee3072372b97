"""What the orders service reads from its environment: how a customer reaches a person, besides what every service reads."""

from functools import cache

from pydantic import Field

from services.kit.settings import KitSettings


class Settings(KitSettings):
    """Names are read with the prefix KEPT_."""

    orders_connections: int = Field(5, ge=1, description="Database connections of one orders API process for commands.")
    site: str = Field("SDF1", pattern="^[A-Z0-9]{1,16}$", description="Where orders are fulfilled.")
    shop_name: str = Field("Brookmill", description="The shop's name, as customers know it.")
    care_phone: str = Field("+1 800 555 0142", description="The free number where a customer reaches a person.")
    care_email: str = Field("care@brookmill.example", description="The address where a customer reaches a person.")
    care_chat: str = Field("https://chat.brookmill.example/", description="Where a customer chats with a person.")


@cache
def site() -> str:
    """Where this process's orders are fulfilled."""
    return Settings().site
