"""The view of all promises that every department holds."""

from services.kit.promise.tables import create_promise_view

revision = "notifications_0004"
down_revision = "notifications_0003"


def upgrade() -> None:
    create_promise_view()
