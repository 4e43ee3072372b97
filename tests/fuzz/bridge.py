"""Schemathesis runs an application in a loop of its own; ours lives in the test's loop, with its pools. This hands requests over."""

import asyncio
from typing import Any

from fastapi import FastAPI


class Elsewhere:
    """An ASGI application that asks another one, which runs in that loop."""

    def __init__(self, app: FastAPI, loop: asyncio.AbstractEventLoop) -> None:
        self._app, self._loop = app, loop

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError("the application was started where it runs")
        asked = asyncio.run_coroutine_threadsafe(self._ask(scope, await _whole(receive)), self._loop)
        for message in await asyncio.wrap_future(asked):
            await send(message)

    async def _ask(self, scope: Any, body: bytes) -> list[Any]:
        sent: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]
        told: list[Any] = []

        async def receive() -> Any:
            return sent.pop() if sent else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            told.append(message)

        try:
            await self._app(scope, receive, send)
        except Exception:
            if not told:
                raise
        return told


async def _whole(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body
