"""What loyalty reads from its environment. Its rules are not settings: planners change them over HTTP, and every version is kept."""

from pydantic import Field

from services.kit.settings import KitSettings


class Settings(KitSettings):
    """Ports; all else is the kit's."""

    loyalty_api_port: int = Field(8104, description="Where loyalty's API listens.")
    loyalty_api_ops_port: int = Field(9104, description="Where loyalty's API tells its health and metrics.")
    loyalty_worker_ops_port: int = Field(9204, description="Where loyalty's worker tells its health, metrics and progress.")
