"""Reads a JSON body from its raw bytes, since two readers must never understand it differently."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from services.kit.envelope import refuse_ambiguous
from services.kit.http.problems import Problem, validation_problem

_MEDIA = ("application/json", "application/json;charset=utf-8")


def Parsed(model: type[BaseModel]) -> Any:  # noqa: N802  # stands where FastAPI's own markers stand
    """Marks a parameter as the body, read as this model: 415 unless JSON, 400 where it is not JSON, 422 where it does not fit."""

    async def read(request: Request) -> BaseModel:
        media = request.headers.get("content-type", "").lower().replace(" ", "").replace('"', "")
        if media not in _MEDIA or "content-encoding" in request.headers:
            raise Problem(415)
        return parse(model, await request.body())

    return Depends(read)


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
