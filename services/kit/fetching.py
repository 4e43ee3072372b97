"""What aiokafka does not notice by itself: a connection that uvloop finds closed, and fetching that has come to an end.

uvloop raises RuntimeError where a request is written to a connection that was reset. aiokafka expects OSError: its fetching would end for good, in a
process that looks healthy. It leans on private parts of the version that `services.kit.transport` insists on.
"""

from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

_send = AIOKafkaConnection.send


class FetchingEnded(RuntimeError):
    """Nothing more will ever come: the worker must end, and start again."""


def _send_or_say(self: Any, request: Any, expect_response: bool = True) -> Any:
    """As aiokafka's own, but that a closed connection is told as one, whichever loop found it closed."""
    try:
        return _send(self, request, expect_response)
    except RuntimeError as error:
        self.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"Connection at {self._host}:{self._port} broken: {error}") from error


def mend_connections() -> None:
    """For this process; may be called twice."""
    AIOKafkaConnection.send = _send_or_say


def insist_on_fetching(consumer: Any) -> None:
    """Raises FetchingEnded where a started AIOKafkaConsumer has stopped to fetch by itself."""
    task = consumer._fetcher._fetch_task
    if task.done() and not task.cancelled():
        raise FetchingEnded(f"fetching ended: {task.exception()!r}")
