"""What the promises service reads from its environment, beside what every process does."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from services.kit.settings import KitSettings
from services.promises.quoting.domain import Policy

if TYPE_CHECKING:
    from services.kit.notes import Signer


class Settings(KitSettings):
    """The ports, and the policy that dates are computed by."""

    promises_api_port: int = Field(8103, description="Where the promises API listens.")
    promises_api_ops_port: int = Field(9103, description="Where the promises API tells its health and metrics.")
    promises_ledger_port: int = Field(8113, description="Where the process that writes the ledger listens; the promises API forwards to it.")
    promises_ledger_ops_port: int = Field(9113, description="Where that process tells its health and metrics.")
    promises_ledger_url: str = Field("http://127.0.0.1:8113", description="Where the promises API finds it.")
    promises_worker_ops_port: int = Field(9203, description="Where the promises worker tells its health, metrics and progress.")
    promises_release_seconds: int = Field(1, ge=0, le=86_400, description="From an order placed to its work waiting on the floor.")
    promises_pick_order_seconds: int = Field(60, ge=0, le=86_400, description="What every order costs a picker, however small.")
    promises_pick_line_seconds: int = Field(20, ge=0, le=3_600, description="What each line of it costs.")
    promises_pack_seconds: int = Field(120, ge=0, le=86_400, description="From picked to labelled and on the dock.")
    promises_ledger_origin: str = Field("kept.local/ledger", pattern=r"^[!-*,-~]+$", description="What the ledger is called in its checkpoints.")
    promises_ledger_key: Path | None = Field(None, description="The PEM file with the Ed25519 key that signs them; made in KEPT_VAR where not given.")
    promises_horizon_days: int = Field(60, ge=1, le=365, description="How far ahead a day may be chosen, and a departure looked for.")

    @property
    def ledger_signer(self) -> "Signer":
        """Who signs the ledger's checkpoints."""
        from services.kit.key_files import key_in
        from services.kit.notes import Signer

        return Signer(self.promises_ledger_origin, key_in(self.promises_ledger_key or self.var / "keys" / "ledger.pem"))

    @property
    def policy(self) -> Policy:
        """What is allowed for each step of an order."""
        return Policy(
            release_seconds=self.promises_release_seconds,
            pick_order_seconds=self.promises_pick_order_seconds,
            pick_line_seconds=self.promises_pick_line_seconds,
            pack_seconds=self.promises_pack_seconds,
            horizon_days=self.promises_horizon_days,
        )


@cache
def policy() -> Policy:
    """The policy of this process, read when first asked for."""
    return Settings().policy
