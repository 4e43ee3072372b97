"""Reads a JSON body from its raw bytes, since two readers must never understand it differently."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

import msgspec
from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from services.kit.envelope import refuse_ambiguous
from services.kit.http.headers import header
from services.kit.http.problems import Problem, validation_problem

T = TypeVar("T")
_FINER_THAN_MICROSECONDS = re.compile(r"\.\d{7}")
_MEDIA = ("application/json", "application/json;charset=utf-8")


def Parsed(model: type[BaseModel], wire: type[T] | None = None, plain: Callable[[bytes], T] | None = None) -> Any:  # noqa: N802  # as FastAPI's own
    """Marks a parameter as the body, read as this model: 415 unless JSON, 400 where it is not JSON, 422 where it does not fit.

    With `wire` it is handed on as that Struct. `plain` then reads bodies whose texts need no second look, several times as fast, and raises
    ValueError for at least what the model refuses: those the model reads, or refuses with all its reasons.
    """

    async def read(request: Request) -> Any:
        media = (header(request, b"content-type") or "").lower().replace(" ", "").replace('"', "")
        if media not in _MEDIA or header(request, b"content-encoding") is not None:
            raise Problem(415)
        raw = await body_of(request)
        return parse(model, raw) if wire is None or plain is None else parse_plain(model, wire, plain, raw)

    return Depends(read)


async def body_of(request: Request) -> bytes:
    """The body, to be read once: Starlette's own keeps it for others who ask, in several times as many steps. Raises ClientDisconnect."""
    parts = list[bytes]()
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def parse_plain(model: type[BaseModel], wire: type[T], plain: Callable[[bytes], T], raw: bytes) -> T:
    """What `plain` reads, or the model in its place. Raises Problem as `parse` does."""
    with suppress(ValueError, RecursionError):  # the model says why
        if _is_plain(raw):
            return plain(raw)
    return msgspec.convert(parse(model, raw).model_dump(), wire)


def _is_plain(raw: bytes) -> bool:
    """Whether no text in it needs a second look: each character can be seen and is in NFC, no key stands twice, no instant would be rounded."""
    refuse_ambiguous(raw)
    text = raw.decode()
    if "\\" in text or not text.isprintable():  # escapes, or white space between lines
        text = msgspec.json.encode(msgspec.json.decode(raw)).decode().replace('\\"', "")
    return "\\" not in text and text.isprintable() and unicodedata.is_normalized("NFC", text) and not _FINER_THAN_MICROSECONDS.search(text)


def parse(model: type[BaseModel], raw: bytes) -> BaseModel:
    """The model. Raises Problem, 400 for what is not plain JSON and 422 for what does not fit."""
    try:
        raw.decode()
        refuse_ambiguous(raw)
        return model.model_validate_json(raw)
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False, include_context=False)
        if errors[0]["type"] == "json_invalid":
            raise _malformed() from None
        raise validation_problem(errors, _names(model)) from None
    except (ValueError, RecursionError):
        raise _malformed() from None


def _malformed() -> Problem:
    return Problem(400, "malformed-json", "The body is not plain JSON: UTF-8, each key once, finite numbers of a sane length, not nested deep.")


@cache
def _names(model: type[BaseModel]) -> frozenset[str]:
    """The field names of a model and of all models inside it, as they stand on the wire."""
    schema = model.model_json_schema()
    return frozenset(name for each in (schema, *schema.get("$defs", {}).values()) for name in _properties(each))


def _properties(schema: Mapping[str, Any]) -> list[str]:
    return list(schema.get("properties", ()))
