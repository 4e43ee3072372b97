"""Runs an API process: the public listener, and the operations listener that is not public.

Stock uvicorn raises the signal again before our own shutdown runs, waits for an application's start without end, and closes under a client that
sends its next request in the same moment. So signals are taken here, and the application's lifespan is run here: give up a start that waits; else
stop listening, tell everybody with the next answer that it is the last one, finish what was begun, close.
"""

import asyncio
import contextlib
import os
import signal
import socket
import stat
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from services.kit.http.health import Look
from services.kit.http.wire import BoundedProtocol
from services.kit.interpreter import tune_python
from services.kit.logs import configure
from services.kit.ops import Operations, listen
from services.kit.settings import KitSettings

_DRAIN_SECONDS = 20
_LOOK_SECONDS = 0.02
_FAREWELL_SECONDS = 1.0
"""How long a connection without a request is kept, so that its client hears of the end with an answer."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        self.server_state.default_headers.append((b"connection", b"close"))
        for _ in range(round(_FAREWELL_SECONDS / _LOOK_SECONDS)):
            if self.server_state.connections:
                await asyncio.sleep(_LOOK_SECONDS)
        await super().shutdown(sockets)


def serve(app: FastAPI, settings: KitSettings, *, port: int, operations_port: int, host: str | None = None) -> None:
    """Serve until SIGTERM or SIGINT; returns once every request that was begun is answered, or after 20 s. A start that still waits is given up.

    Ready while the database that the lifespan put into `app.state.database` answers, where it put one.

    Listens on the socket that a supervisor hands over as standard input, where there is one, else on `port`; on `host`, or where the settings say.
    """
    configure(settings.log_level)
    host = host or settings.bind
    server = _Server(
        uvicorn.Config(
            app, host=host, port=port, log_config=None, access_log=False, server_header=False, proxy_headers=False, lifespan="off",
            timeout_graceful_shutdown=_DRAIN_SECONDS, timeout_keep_alive=15, ws="none", http=BoundedProtocol,
        )
    )  # fmt: skip
    tune_python()
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(_serve(server, app, host, operations_port))


async def _serve(server: _Server, app: FastAPI, host: str, operations_port: int) -> None:
    inherited = inherited_socket()

    async def live() -> None:
        async with app.router.lifespan_context(app):
            await server.serve([inherited] if inherited else None)

    def stop() -> None:
        server.should_exit = True
        if not server.started:
            living.cancel()

    async def not_ready() -> str | None:
        if server.should_exit or not server.started:
            return "draining" if server.should_exit else "starting"
        return await look.wrong()

    async def ask_database() -> None:
        if (database := getattr(app.state, "database", None)) is not None:
            await database.pool.fetchval("select 1")

    look = Look(ask_database)

    async with listen(Operations(ready=not_ready), host, operations_port):
        living = asyncio.create_task(live())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        await asyncio.wait({living})
        if not living.cancelled():
            living.result()


def inherited_socket() -> socket.socket | None:
    """The listening socket on file descriptor 0, as supervisor's fcgi-program hands it over; None where there is none."""
    if not stat.S_ISSOCK(os.fstat(0).st_mode):
        return None
    given = socket.socket(fileno=os.dup(0))
    if not given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        given.close()
        return None
    return given
