"""Routes that nobody reaches without a policy: who may call is checked before a byte of the body is read.

FastAPI answers bad JSON before it runs dependencies, so that the check stands in the route itself, around everything else.
"""

import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from functools import cached_property
from inspect import iscoroutinefunction
from typing import Annotated, Any, Literal, cast, get_type_hints

from fastapi import APIRouter, Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from services.kit.http.headers import header
from services.kit.http.idempotency import key_of
from services.kit.http.problems import Problem
from services.kit.http.signin import Principal, Scope, SignIn
from services.kit.tokens import ROLES
from services.kit.values import NotFound

Access = Mapping[str, Scope] | Literal["public"]
PAGE = "text/html"
"""The media type of a page."""

_NEVER = "never"
_PROBLEM = {"description": "A problem (RFC 9457).", "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}


def operation(
    *,
    access: Access,
    owner: Mapping[str, str] | None = None,
    body: type[BaseModel] | None = None,
    answers: Mapping[int, type[BaseModel] | str] | None = None,
    idempotent: bool = False,
) -> dict[str, Any]:
    """What a route's decorator is told: `@router.post("/v1/things", **operation(access={"storefront": "own", "care": "all"}, body=Thing))`.

    `access` names every role that may call and how far it sees, or is "public" for routes that check a secret or a signature of their own.
    `owner` says which parameters, or fields of the body, name a thing that is somebody's, and what kind of thing: `{"order_id": "order"}`.
    `answers` are the successes, by status. `idempotent` demands an Idempotency-Key.
    """
    _refuse_unknown(access)
    documented = answers or {200: "Done."}
    extra: dict[str, Any] = {"x-access": _written_out(access), "x-idempotent": idempotent}
    if owner:
        extra["x-owner"] = dict(owner)
    if access != "public":
        extra["security"] = [{"bearer": []}]
    if body is not None:
        schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if idempotent:
        extra["parameters"] = [{"name": "Idempotency-Key", "in": "header", "required": True, "schema": {"type": "string", "maxLength": 255}}]
    responses: dict[int | str, dict[str, Any]] = {status: _answer(what) for status, what in documented.items()}
    return {
        "openapi_extra": extra,
        "response_model": None,
        "status_code": min(documented),
        "responses": {**responses, "default": _PROBLEM},
    }


def page(*, access: Access, owner: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the decorator of an HTML page is told, as in `operation`. A page's caller may be signed in by the browser's cookie."""
    _refuse_unknown(access)
    extra: dict[str, Any] = {"x-access": _written_out(access), "x-produces": PAGE}
    if owner:
        extra["x-owner"] = dict(owner)
    return {"openapi_extra": extra, "response_model": None, "include_in_schema": False}


class Guarded(APIRoute):
    """A route that admits before it reads. Without a policy it admits nobody."""

    @cached_property
    def access(self) -> Access | None:
        """Who may call, None where no policy was given."""
        told = (self.openapi_extra or {}).get("x-access")
        return {role: scope for role, scope in told.items() if scope != _NEVER} if isinstance(told, dict) else told

    @property
    def has_owners(self) -> bool:
        """Whether some role sees its own things alone."""
        return isinstance(self.access, dict) and "own" in self.access.values()

    @property
    def owner(self) -> Mapping[str, str]:
        """Which of its parameters name a thing that is somebody's, and its kind."""
        return cast("Mapping[str, str]", (self.openapi_extra or {}).get("x-owner", {}))

    @property
    def produces(self) -> str:
        """The media type of its successes."""
        return str((self.openapi_extra or {}).get("x-produces", "application/json"))

    straight: Callable[[Request], Awaitable[Response]] | None = None
    """What answers a request by itself; None where FastAPI has to find parameters or to lend a thread."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        straight = _straight(self.dependant)
        handle: Callable[[Request], Awaitable[Response]] = straight or super().get_route_handler()

        async def guarded(request: Request) -> Response:
            request.scope["route_path"] = self.path_format
            await self._admit(request)
            if not _acceptable(header(request, b"accept"), self.produces):
                raise Problem(406)
            if (self.openapi_extra or {}).get("x-idempotent"):
                key_of(request)
            return await handle(request)

        self.straight = guarded if straight else None
        return guarded

    async def _admit(self, request: Request) -> None:
        if self.access == "public":
            return
        signin: SignIn = request.app.state.signin
        principal = await signin.principal(request, by_cookie=self.produces == PAGE)
        scope = (self.access or {}).get(principal.role)
        if scope is None:
            raise Problem(403)
        await request.app.state.capacity.take("caller", f"{principal.role} {principal.subject}")
        request.state.principal = Principal(principal.subject, principal.role, principal.channel, principal.site, scope)


def _straight(dependant: Dependant) -> Callable[[Request], Awaitable[Response]] | None:
    """The handler itself where the request alone makes all that it takes (body, caller, key, what stands in the path); None where FastAPI is to find
    parameters or to lend a thread. FastAPI would ask anew, at every request, what each parameter is."""
    readers = {str(each.name): each.call for each in dependant.dependencies}
    handle, request_name = dependant.call, dependant.request_param_name
    if not _is_plain(dependant) or not all(_is_plain(each) and each.request_param_name and not each.path_params for each in dependant.dependencies):
        return None
    assert handle is not None, "a route has a handler"
    types = get_type_hints(handle, include_extras=True)
    in_path = {field.name: TypeAdapter[Any](types[field.name]).validate_python for field in dependant.path_params}

    async def straight(request: Request) -> Response:
        given = _read_path(in_path, request.path_params) if in_path else {}
        for name, read in readers.items():
            given[name] = await read(request)  # type: ignore[misc]  # each is a coroutine function
        if request_name:
            given[request_name] = request
        return cast(Response, await handle(**given))

    return straight


def _read_path(read: Mapping[str, Callable[[str], Any]], given: Mapping[str, str]) -> dict[str, Any]:
    """Raises NotFound: a path that does not parse names nothing."""
    try:
        return {name: validate(given[name]) for name, validate in read.items()}
    except ValidationError:
        raise NotFound from None


def _is_plain(dependant: Dependant) -> bool:
    """Whether it is a coroutine function that takes the request, what stands in the path, and what its own dependencies make of the request."""
    found = (dependant.query_params, dependant.header_params, dependant.cookie_params, dependant.body_params)
    lent = (dependant.response_param_name, dependant.background_tasks_param_name, dependant.security_scopes_param_name)
    return iscoroutinefunction(dependant.call) and not any(found) and not any(lent) and not any(each.dependencies for each in dependant.dependencies)


class Routes(APIRouter):
    """A router whose routes are all guarded."""

    def __init__(self, **given: Any) -> None:
        super().__init__(route_class=Guarded, **given)


async def caller_of(request: Request) -> Principal:
    """Who was admitted. A bug on a public route, which admits everybody. A coroutine, since FastAPI gives plain functions a thread."""
    return cast(Principal, request.state.principal)


Caller = Annotated[Principal, Depends(caller_of)]
"""The parameter type of a handler that needs to know who calls."""


def refuse_unguarded(routes: Iterable[BaseRoute]) -> None:
    """Raises ValueError, naming them, where routes have no policy. FastAPI keeps included routers as nested objects: they are walked as well."""
    open_routes = [str(each.path) for each in iter_route_contexts(list(routes)) if not _has_policy(each.original_route)]
    if open_routes:
        raise ValueError(f"no policy says who may call {', '.join(open_routes)}: give each route **operation(access=...)")


def refuse_unowned(routes: Iterable[BaseRoute]) -> None:
    """Raises ValueError, naming them, where a role sees its own alone and a parameter of the path is not said to name a thing of somebody's."""
    guarded = [(str(each.path), each.original_route) for each in iter_route_contexts(list(routes)) if isinstance(each.original_route, Guarded)]
    unowned = [path for path, route in guarded if route.has_owners and not _in_path(path) <= route.owner.keys()]
    if unowned:
        raise ValueError(f"no owner is named of what stands in the path of {', '.join(unowned)}: give each route **operation(owner=...)")
    strange = [path for path, route in guarded if not route.owner.keys() <= _in_path(path) | _in_query_and_body(route)]
    if strange:
        raise ValueError(f"an owner is named of what is no parameter of {', '.join(strange)}")


def _has_policy(route: BaseRoute) -> bool:
    if isinstance(route, Mount):
        return isinstance(route.app, StaticFiles)
    return isinstance(route, Guarded) and route.access is not None


def _in_path(path: str) -> set[str]:
    return set(re.findall(r"\{(\w+)", path))


def _in_query_and_body(route: Guarded) -> set[str]:
    body = (route.openapi_extra or {}).get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return {field.alias for field in route.dependant.query_params} | set(body.get("properties", ()))


def _written_out(access: Access) -> Mapping[str, str] | Literal["public"]:
    """The policy with every role in it, so that nobody is left to be guessed at."""
    return access if access == "public" else {role: access.get(role, _NEVER) for role in ROLES}


def _refuse_unknown(access: Access) -> None:
    if access == "public":
        return
    wrong = [role for role, scope in access.items() if role not in ROLES or scope not in ("own", "all")]
    if wrong or not access:
        raise ValueError(f"access names {wrong or 'nobody'}: give roles out of {sorted(ROLES)}, each with 'own' or 'all'")


def _answer(what: type[BaseModel] | str) -> dict[str, Any]:
    return {"description": what} if isinstance(what, str) else {"description": what.__doc__ or what.__name__, "model": what}


def _acceptable(accept: str | None, produced: str) -> bool:
    """Whether the header Accept takes the media type, by any of its ranges that is not given a weight of 0."""
    if not accept:
        return True
    ranges = [each.replace(" ", "").lower().split(";") for each in accept.split(",")]
    taken = {media for media, *parameters in ranges if not {"q=0", "q=0.0", "q=0.00", "q=0.000"} & set(parameters)}
    return bool(taken & {"*/*", f"{produced.split('/')[0]}/*", produced})
