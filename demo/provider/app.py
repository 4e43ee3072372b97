"""The provider over HTTP, with a bad day on command: `POST /misbehave` says how it treats the next calls, `GET /books` what it really did."""

import asyncio
import hmac
from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.provider.books import Books, Differs

_SILENT_SECONDS = 120.0
"""Longer than any customer waits."""


class How(StrEnum):
    """What it does with a call: `silent` neither does nor answers it, `lost` does it and does not answer, `fails` answers 500 and does nothing,
    `does_and_fails` does it all the same, `garbles` does it and answers what nobody can read, `refuses` says that the card is closed."""

    SILENT = "silent"
    LOST = "lost"
    FAILS = "fails"
    DOES_AND_FAILS = "does_and_fails"
    GARBLES = "garbles"
    REFUSES = "refuses"


class RefundWire(msgspec.Struct, forbid_unknown_fields=True):
    """A refund as it is asked for."""

    key: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    payment_reference: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    amount_minor: Annotated[int, msgspec.Meta(ge=1)]
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]


class MisbehaveWire(msgspec.Struct, forbid_unknown_fields=True):
    """How the next calls of this method are treated, and how many of them."""

    how: How
    times: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    method: str = "POST"


class Provider:
    """Its books, its keys, and what was commanded of it."""

    def __init__(self, books: Books, keys: Mapping[str, str]) -> None:
        self.books, self._keys = books, keys
        self._commanded: dict[str, deque[How]] = {"POST": deque(), "GET": deque()}

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/refunds", self._refund, methods=["POST"]),
                Route("/refunds/{key}", self._find, methods=["GET"]),
                Route("/misbehave", self._misbehave, methods=["POST"]),
                Route("/books", self._told, methods=["GET"]),
                Route("/livez", _alive, methods=["GET"]),
            ],
            exception_handlers={Differs: _conflict, msgspec.MsgspecError: _unreadable},
        )

    def misbehave(self, how: How, times: int = 1, method: str = "POST") -> None:
        """So it treats the next calls; what was commanded before comes first."""
        self._commanded[method].extend([how] * times)

    async def _refund(self, request: Request) -> Response:
        if not _is_key(request, self._keys["api_key"]):
            return _forbidden()
        wanted = msgspec.json.decode(await request.body(), type=RefundWire)
        how = self._next("POST")
        if how is How.REFUSES:
            return JSONResponse({"detail": "the card was closed"}, 422)
        if how in (How.SILENT, How.FAILS):
            return await _misbehaving(how)
        done = self.books.refund(wanted.key, wanted.payment_reference, wanted.amount_minor, wanted.currency)
        return JSONResponse(done) if how is None else await _misbehaving(how)

    async def _find(self, request: Request) -> Response:
        if not _is_key(request, self._keys["api_key"]):
            return _forbidden()
        how = self._next("GET")
        if how is not None:
            return await _misbehaving(how)
        found = self.books.find(request.path_params["key"])
        return JSONResponse(found) if found else JSONResponse({"detail": "nothing was done under this key"}, 404)

    async def _misbehave(self, request: Request) -> Response:
        if not _is_key(request, self._keys["admin_key"]):
            return _forbidden()
        wanted = msgspec.json.decode(await request.body(), type=MisbehaveWire)
        if wanted.method not in self._commanded:
            return JSONResponse({"detail": "no such method"}, 422)
        self.misbehave(wanted.how, wanted.times, wanted.method)
        return Response(status_code=204)

    async def _told(self, request: Request) -> Response:
        return JSONResponse({"refunds": self.books.all()}) if _is_key(request, self._keys["admin_key"]) else _forbidden()

    def _next(self, method: str) -> How | None:
        return self._commanded[method].popleft() if self._commanded[method] else None


async def _misbehaving(how: How) -> Response:
    match how:
        case How.SILENT | How.LOST:
            await asyncio.sleep(_SILENT_SECONDS)
            return Response(status_code=504)
        case How.GARBLES:
            return Response(b'{"refund_id": ', 200, media_type="application/json")
        case _:
            return JSONResponse({"detail": "something broke here"}, 500)


def _is_key(request: Request, key: str) -> bool:
    return hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {key}".encode())


def _forbidden() -> Response:
    return JSONResponse({"detail": "no account has this key"}, 401)


async def _alive(_: Request) -> Response:
    return JSONResponse({"alive": True})


async def _conflict(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 409)


async def _unreadable(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": "the request cannot be read"}, 422)
