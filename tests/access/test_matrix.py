"""The policy that OpenAPI tells is the one that was written by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from services.kit import tokens
from services.kit.http.app import describe
from services.kit.http.routing import Guarded
from tests.access.matrix import ROLES, SERVICES, rows
from tests.support.apps import APPLICATIONS


def _told(app: FastAPI) -> Iterator[tuple[str, object]]:
    """By operation what is told of it: in OpenAPI, and of the pages, which do not stand there, by their routes."""
    for path, operations in describe(app)["paths"].items():
        for method, each in operations.items():
            yield f"{method.upper()} {path}", each["x-access"]
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, Guarded) and not route.include_in_schema:
            for method in route.methods:
                yield f"{method} {context.path}", (route.openapi_extra or {})["x-access"]


@pytest.mark.parametrize("service", SERVICES)
def test_the_policy_is_what_was_written_by_hand(service: str, tmp_path: Path) -> None:
    policy = dict(_told(APPLICATIONS[service](tmp_path)))
    written = rows(service)
    assert policy.keys() - written.keys() == set(), "write these into matrix.toml, by hand"
    assert written.keys() - policy.keys() == set(), "these are gone: take them out of matrix.toml"
    for operation, row in written.items():
        if (told := policy[operation]) == "public":
            assert {cell.scope for cell in row.values()} == {"public"}, operation
        else:
            assert told == {role: cell.scope for role, cell in row.items() if role != "none"}, operation
            assert row["none"].scope == "none", operation


def test_every_role_and_every_service_has_its_place() -> None:
    assert ("none", *tokens.ROLES) == ROLES
    assert set(SERVICES) == set(APPLICATIONS)
