"""Answers in JSON, encoded by msgspec: dataclasses, Structs, UUIDs and aware instants as they stand."""

import msgspec
from pydantic import BaseModel
from starlette.responses import Response


def answer(data: object, status: int = 200, **headers: str) -> Response:
    """The data as JSON. Header names are written with underscores: `answer(order, 201, location="/v1/orders/...")`."""
    body = data.model_dump_json().encode() if isinstance(data, BaseModel) else msgspec.json.encode(data)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(body, status, {"cache-control": "no-store", **named}, "application/json")
