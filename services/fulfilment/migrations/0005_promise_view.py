"""The view of all promises that every department holds."""

from services.kit.promise.tables import create_promise_view

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    create_promise_view()
