"""The view of all promises that every department holds."""

from services.kit.promise.tables import create_promise_view

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    create_promise_view()
