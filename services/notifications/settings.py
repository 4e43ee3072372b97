"""What notifications reads from its environment: the mail server, who writes, and where customers reach a person."""

from pydantic import Field, SecretStr

from services.kit.settings import KitSettings


class Settings(KitSettings):
    """All names carry the prefix KEPT_."""

    smtp_host: str = Field("127.0.0.1", description="The mail server that takes our messages.")
    smtp_port: int = Field(1025, description="Its port.")
    smtp_starttls: bool = Field(False, description="Whether to insist on STARTTLS.")
    smtp_username: str | None = Field(None, description="Who we are to the mail server; no sign-in where not set.")
    smtp_password: SecretStr | None = Field(None, description="The password that goes with it.")
    smtp_timeout_seconds: float = Field(20.0, description="How long the mail server may take for one answer.")
    orders_url: str = Field("http://127.0.0.1:8101", description="The orders API, which makes the customer's links.")
    public_url: str | None = Field(None, description="What customers' links begin with; KEPT_ORDERS_URL where not set.")
    shop_name: str = Field("Brookmill", description="The shop's name, as customers know it.")
    mail_from: str = Field("orders@brookmill.example", description="The address that messages come from.")
    care_phone: str = Field("+1 800 555 0142", description="The free number where a customer reaches a person.")
    care_email: str = Field("care@brookmill.example", description="The address where a customer reaches a person.")

    @property
    def link_base(self) -> str:
        return (self.public_url or self.orders_url).rstrip("/")
