"""Nobody reaches a route that does not say who may; the check comes before the body."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import PlainTextResponse

from services.kit.http import Routes, answer, create_app, operation
from services.kit.settings import KitSettings
from services.kit.tokens import ROLES
from tests.unit.kit.http.conftest import MINE, OTHERS

Bearer = Callable[..., dict[str, str]]


async def test_a_role_that_the_policy_does_not_name_is_refused(client: httpx.AsyncClient, bearer: Bearer) -> None:
    assert (await client.get("/v1/things", headers=bearer("picker"))).status_code == 403


async def test_the_role_is_checked_before_the_body_is_read(client: httpx.AsyncClient, bearer: Bearer) -> None:
    async def body() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    json = {"content-type": "application/json"}
    assert (await client.post("/v1/things", content=body(), headers=json | bearer("picker"))).status_code == 403
    assert (await client.post("/v1/things", content=body(), headers=json)).status_code == 401


async def test_the_handler_is_told_how_far_the_role_sees(client: httpx.AsyncClient, bearer: Bearer) -> None:
    assert (await client.get(f"/v1/things/{MINE}", headers=bearer("customer"))).json() == {"scope": "own"}
    assert (await client.get(f"/v1/things/{OTHERS}", headers=bearer("care"))).json() == {"scope": "all"}


async def test_someone_elses_thing_reads_like_one_that_does_not_exist(client: httpx.AsyncClient, bearer: Bearer) -> None:
    bodies = [(await client.get(f"/v1/things/{id}", headers=bearer("customer"))) for id in (OTHERS, "no-id", "%20")]
    assert {each.status_code for each in bodies} == {404}
    assert len({tuple((name, value) for name, value in each.json().items() if name != "instance") for each in bodies}) == 1


def test_a_route_without_a_policy_stops_the_start(settings: KitSettings) -> None:
    router = Routes()

    @router.get("/v1/open")
    async def open_route() -> None: ...

    with pytest.raises(ValueError, match="/v1/open"):
        create_app("toy", [router], settings)


def test_a_route_without_a_policy_inside_a_router_inside_a_router_stops_the_start(settings: KitSettings) -> None:
    inner, outer = APIRouter(), Routes()

    @inner.get("/open", **operation(access="public"))
    async def unguarded() -> None: ...

    outer.include_router(inner, prefix="/deep")
    with pytest.raises(ValueError, match="/deep/open"):
        create_app("toy", [outer], settings)


def test_a_plain_route_stops_the_start(settings: KitSettings) -> None:
    router = Routes()
    router.add_route("/v1/plain", lambda request: PlainTextResponse("open"))
    with pytest.raises(ValueError, match="/v1/plain"):
        create_app("toy", [router], settings)


async def test_a_route_without_a_policy_that_came_later_admits_nobody(app: FastAPI, client: httpx.AsyncClient, bearer: Bearer) -> None:
    @app.get("/v1/later")
    async def later() -> str:
        return "open"

    assert (await client.get("/v1/later")).status_code == 401
    assert (await client.get("/v1/later", headers=bearer("admin"))).status_code == 403


@pytest.mark.parametrize("owner", [None, {"order_id": "order"}, {"thing_id": "thing", "nothing_id": "thing"}])
def test_a_route_where_a_role_sees_its_own_says_what_it_owns(settings: KitSettings, owner: dict[str, str] | None) -> None:
    router = Routes()

    @router.get("/v1/things/{thing_id}", **operation(access={"customer": "own"}, owner=owner))
    async def thing(thing_id: str) -> None: ...

    with pytest.raises(ValueError, match=r"/v1/things/\{thing_id\}"):
        create_app("toy", [router], settings)


@pytest.mark.parametrize("access", [{}, {"emperor": "all"}, {"care": "some"}])
def test_a_policy_that_names_no_known_role_is_refused(access: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="access names"):
        operation(access=access)  # type: ignore[arg-type]


async def test_every_operation_in_openapi_says_who_may_call(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    operations = [each for path in document["paths"].values() for each in path.values()]
    assert len(operations) == 8
    assert all(each["x-access"] and "default" in each["responses"] for each in operations)
    assert document["paths"]["/v1/things/{thing_id}"]["get"]["x-access"] == dict.fromkeys(ROLES, "never") | {"customer": "own", "care": "all"}
    assert document["paths"]["/v1/things/{thing_id}"]["get"]["x-owner"] == {"thing_id": "thing"}
    assert document["components"]["schemas"]["Line"]["properties"].keys() == {"sku", "quantity"}
    assert "$defs" not in str(document)


@pytest.mark.parametrize("path", ["/metrics", "/docs", "/redoc", "/livez", "/progress"])
async def test_operations_are_not_public(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


@dataclass(frozen=True)
class _Reply:
    at: str


async def test_a_dataclass_is_answered_as_it_stands() -> None:
    assert answer(_Reply("08:00"), 201, retry_after="1").body == b'{"at":"08:00"}'
