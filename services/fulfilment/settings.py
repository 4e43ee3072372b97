"""What fulfilment reads from its environment; shipping's own is in `shipping/settings.py`."""

from datetime import timedelta
from functools import cache

from pydantic import Field

from services.fulfilment.floor.domain.task import Pace
from services.kit.settings import KitSettings


class Settings(KitSettings):
    """The lease of a claim, and the pace of the floor."""

    fulfilment_lease_seconds: int = Field(600, ge=1, le=86_400, description="How long a claim lasts without a scan or a heartbeat.")
    fulfilment_order_seconds: int = Field(180, ge=1, le=3_600, description="Work per order beside its lines, for its rank.")
    fulfilment_line_seconds: int = Field(20, ge=1, le=3_600, description="Picking work per line, for its rank.")

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.fulfilment_lease_seconds)

    @property
    def pace(self) -> Pace:
        return Pace(self.fulfilment_order_seconds, self.fulfilment_line_seconds)


@cache
def fulfilment_settings() -> Settings:
    """The settings of this process, read when first asked for."""
    return Settings()
