"""Reads what a form on a page sent: names and texts, each name once, and the same models as a JSON body has."""

from collections.abc import Mapping
from typing import Annotated, TypeVar
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from services.kit.http.problems import Problem, validation_problem

T = TypeVar("T", bound=BaseModel)
_MEDIA = "application/x-www-form-urlencoded"
_MOST_FIELDS = 50


async def _fields(request: Request) -> Mapping[str, str]:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != _MEDIA or "content-encoding" in request.headers:
        raise Problem(415, detail="Only what a form sends is taken here: open the page, and press the button there.")
    raw = await request.body()
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, strict_parsing=bool(raw), max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise Problem(400, "malformed-form", "This is not what a form of ours sends: open the page, and press the button there.") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise Problem(400, "malformed-form", "A field of the form stands twice: open the page, and press the button there.")
    return fields


Fields = Annotated[Mapping[str, str], Depends(_fields)]
"""The parameter type of a handler that takes a form: its fields by name. Problem: 415 for anything else, 400 where it cannot be read."""


def fit(model: type[T], fields: Mapping[str, str]) -> T:
    """The fields as this model; numbers, instants and ids are read from their texts, and a field left empty is not there.

    Raises Problem (422) with a sentence per field that does not fit.
    """
    given = {name: text.strip() for name, text in fields.items() if text.strip()}
    try:
        return model.model_validate_strings(given, strict=False)
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False, include_context=False)
        raise validation_problem(errors, frozenset(model.model_fields)) from None
