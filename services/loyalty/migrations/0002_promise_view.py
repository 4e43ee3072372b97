"""The view of all promises that every department holds."""

from services.kit.promise.tables import create_promise_view

revision = "loyalty_0002"
down_revision = "loyalty_0001"


def upgrade() -> None:
    create_promise_view()
