"""What the orders service reads from its environment: how a customer reaches a person, besides what every service reads."""

from pydantic import Field

from services.kit.settings import KitSettings


class Settings(KitSettings):
    """Names are read with the prefix KEPT_."""

    orders_connections: int = Field(5, ge=1, description="Database connections of one orders API process for commands.")
    shop_name: str = Field("Brookmill", description="The shop's name, at the top of the customer's page.")
    care_phone: str = Field("+1 800 555 0142", description="The free number where a customer reaches a person.")
    care_email: str = Field("care@brookmill.example", description="The address where a customer reaches a person.")
    care_chat: str = Field("https://chat.brookmill.example/", description="Where a customer chats with a person.")
