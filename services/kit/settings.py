"""What every process reads from its environment. A service adds its own in its settings.py by subclassing."""

import os
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.kit.database import service_url


class KitSettings(BaseSettings):
    """Names are read with the prefix KEPT_, but for the two that the whole world calls the same."""

    model_config = SettingsConfigDict(env_prefix="KEPT_", extra="ignore")

    kafka: str = Field("127.0.0.1:9092", validation_alias="KAFKA_BOOTSTRAP_SERVERS", description="Kafka bootstrap servers, comma separated.")
    database: SecretStr = Field(
        SecretStr("postgresql://postgres@127.0.0.1:5432/postgres"), validation_alias="DATABASE_URL", description="PostgreSQL, as its administrator."
    )
    clock: str = Field("system", description="Where business time comes from: system, fixed:..., scaled:..., file:<path>.")
    var: Path = Field(Path("var"), description="The stack's folder: logs, the signing key, the public keys.")
    topic_prefix: str = Field("", description="Put before every topic and group name, so that several stacks share one broker.")
    driver: str = Field("raw", pattern="^(faust|raw)$", description="What consumes: plain aiokafka, or Faust with our transport.")
    bind: str = Field("127.0.0.1", description="The address that public and operations listeners bind to.")
    slot: str = Field("0", description="Which of a service's workers this is; names it to the broker, so that a restart does not disturb the others.")
    grace_seconds: float = Field(8.0, ge=0, description="How long a worker's batch in hand may take to finish after SIGTERM.")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="The least severe log line written.")
    promises_url: str = Field("http://127.0.0.1:8103", description="The promises API, which every view of the promises is compared with.")
    fulfilment_url: str = Field("http://127.0.0.1:8102", description="The fulfilment API, which holds what is promised, and tells which days can be.")
    service_token_file: Path | None = Field(
        None, description="A bearer token of the role service, read again at each use; signed with the stack's own key where not set."
    )
    jwks: Path | None = Field(None, description="Public keys of who may sign tokens (JWKS); var/keys/jwks.json where not set.")
    jwks_url: str | None = Field(None, pattern="^https?://", description="Where an OpenID provider publishes its keys (JWKS), instead of a file.")
    token_issuer: str = Field("https://issuer.kept.invalid", description="The `iss` that tokens must carry.")
    issuer_url: str | None = Field(
        None, pattern="^https?://", description="The issuer, which gives tokens for a badge and a PIN; where not set, a proxy signs people in."
    )
    token_audience: str = Field("kept", description="The `aud` that tokens must carry.")
    api_processes: int = Field(2, ge=1, description="How many API processes of each service share the two limits below.")
    requests_per_address: int = Field(600_000, ge=1, description="Requests that one address may send in a minute; above them 429.")
    requests_per_caller: int = Field(600_000, ge=1, description="Requests that one signed-in caller may send in a minute; above them 429.")
    trusted_proxies: str = Field("", description="Networks, comma separated, of proxies whose X-Forwarded-For says who asks; no other's is read.")
    requests_in_hand: int = Field(
        100, ge=1, description="Requests that one API process works on at once; as many wait a second for their turn, the rest are answered 503."
    )
    request_seconds: float = Field(45.0, gt=0, description="How long a request may take, its body's arrival included; then it is given up with 504.")
    body_limit_bytes: int = Field(262_144, description="Largest request body; a larger one is answered 413.")

    def service_database(self, service: str) -> str:
        """The service's own login: KEPT_<SERVICE>_DATABASE_URL, or derived from DATABASE_URL."""
        return self.given_database(service) or service_url(self.database.get_secret_value(), service)

    def given_database(self, service: str) -> str | None:
        """KEPT_<SERVICE>_DATABASE_URL, where it is set."""
        return os.environ.get(f"KEPT_{service.upper()}_DATABASE_URL") or None

    def port(self, name: str) -> int:
        """The port of a listener, as KEPT_<NAME>_PORT says (`orders_api`, `orders_worker_ops`); 0, any free one, where nothing is said."""
        return int(os.environ.get(f"KEPT_{name.upper()}_PORT", "0"))

    @property
    def jwks_path(self) -> Path:
        return self.jwks or self.var / "keys" / "jwks.json"
