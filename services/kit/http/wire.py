"""The HTTP protocol under the application: uvicorn's, with limits on the head of a request, and problems where it would answer plain text."""

from asyncio import TimerHandle, Transport
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.kit.http.problems import Problem
from services.kit.ids import uuid7

HEAD_LIMIT = 65_536
"""Bytes of request line and headers that are kept; above the limits of `front`, which can answer more kindly."""


class BoundedProtocol(HttpToolsProtocol):
    """Reads a head no further and no longer than the limits: stock uvicorn keeps whatever a client sends, and waits as long as it likes."""

    head_seconds = 10.0
    """From the connection, or the first byte after an answer, to the end of the next head."""

    _head_bytes = 0
    _in_head = False
    _patience: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # asyncio hands over a Transport
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._patience is None and (self.cycle is None or self.cycle.response_complete):
            self._await_head()
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_LIMIT:
                self._refuse(Problem(431))

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(Problem(400))

    def _await_head(self) -> None:
        self._patience = self.loop.call_later(self.head_seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if self._in_head:
            self._refuse(Problem(408))
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        self._in_head = False
        response = problem.response(str(uuid7()))
        status = HTTPStatus(problem.status)
        lines = [f"HTTP/1.1 {status} {status.phrase}".encode(), *(name + b": " + value for name, value in response.raw_headers), b"connection: close"]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + bytes(response.body))
        self.transport.close()
