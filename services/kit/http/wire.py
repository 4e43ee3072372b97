"""The HTTP protocol under the application: uvicorn's, with a limit on the head of a request, and problems where it would answer plain text."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.kit.http.problems import Problem
from services.kit.ids import uuid7

HEAD_LIMIT = 65_536
"""Bytes of request line and headers that are kept; above the limits of `front`, which can answer more kindly."""


class BoundedProtocol(HttpToolsProtocol):
    """Reads a head no further than the limit: stock uvicorn keeps whatever a client sends."""

    _head_bytes = 0
    _in_head = False

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_LIMIT:
                self._refuse(Problem(431))

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(Problem(400))

    def _refuse(self, problem: Problem) -> None:
        self._in_head = False
        response = problem.response(str(uuid7()))
        status = b"HTTP/1.1 400 Bad Request" if problem.status == 400 else b"HTTP/1.1 431 Request Header Fields Too Large"
        lines = [status, *(name + b": " + value for name, value in response.raw_headers), b"connection: close"]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + bytes(response.body))
        self.transport.close()
