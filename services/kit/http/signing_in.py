"""Signing in by a browser: a badge and a PIN, asked of the issuer as any tool of the staff asks it, and its token kept in a cookie.

The issuer counts wrong PINs. Where the settings name no issuer, another provider gives tokens, and the page says that a proxy signs people in.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import httpx
from fastapi import FastAPI, Query, Request
from pydantic import Field
from starlette.responses import RedirectResponse, Response

from services.kit.http.cookies import forget, keep, refuse_other_sites
from services.kit.http.fields import ShortText, Strict
from services.kit.http.forms import Fields, fit
from services.kit.http.limits import address_of
from services.kit.http.pages import render, templates, with_forms
from services.kit.http.problems import Problem
from services.kit.http.routing import PAGE, Guarded, Routes, page
from services.kit.http.signin import Principal, SignIn
from services.kit.settings import KitSettings

ADDRESS = "/sign-in"
_SECONDS = 10.0
_LOCAL = re.compile(r"/(?![/\\])[A-Za-z0-9/._~?=&%-]{0,500}")
_AWAY = "Whoever checks badges does not answer at the moment: try again in a few seconds."
_environment = templates()


class _Badge(Strict):
    """What the form holds; `next` is the page to go on to."""

    badge: ShortText
    pin: Annotated[str, Field(max_length=128)]
    next: Annotated[str, Field(max_length=600)] = ""


def sign_in_pages(settings: KitSettings, homes: Mapping[str, str], transport: httpx.AsyncBaseTransport | None = None) -> Routes:
    """The pages that sign in and out. `homes` is where each role works here; `transport` reaches the issuer in tests."""
    router = Routes()

    @router.get(ADDRESS, **page(access="public"))
    async def get_sign_in(request: Request, next: Annotated[str, Query(max_length=2_000)] = "") -> Response:
        return _form(settings, homes, next=next, who=await _signed_in(request))

    @router.post(ADDRESS, **page(access="public"))
    async def post_sign_in(request: Request, fields: Fields) -> Response:
        refuse_other_sites(request)
        try:
            asked = fit(_Badge, fields)
            granted = await _token(settings, request, asked, transport)
        except Problem as problem:
            return _form(settings, homes, next=fields.get("next", ""), badge=fields.get("badge", "")[:200], problem=problem)
        response = _go(_local(asked.next) or homes.get(granted["role"], ADDRESS))
        keep(response, request, granted["access_token"], granted["expires_in"])
        return response

    @router.post("/sign-out", **page(access="public"))
    async def post_sign_out(request: Request) -> Response:
        refuse_other_sites(request)
        response = _go(ADDRESS)
        forget(response, request)
        return response

    return router


def lead_to_sign_in(app: FastAPI) -> None:
    """Whoever opens a page and is not signed in is led to the form, and from there back. Call it after the error pages are installed."""
    draw = app.state.draw_error

    def draw_or_lead(request: Request, problem: Problem) -> Response:
        route = request.scope.get("route")
        if problem.status == 401 and isinstance(route, Guarded) and route.produces == PAGE:
            query = f"?{request.url.query}" if request.method == "GET" and request.url.query else ""
            return _go(f"{ADDRESS}?next={quote(request.url.path + query, safe='/')}")
        response: Response = draw(request, problem)
        return response

    app.state.draw_error = draw_or_lead


def _go(address: str) -> RedirectResponse:
    return RedirectResponse(address, 303, {"cache-control": "no-store"})


def _local(address: str) -> str:
    """The address, "" unless it is one of this very host."""
    return address if _LOCAL.fullmatch(address) else ""


def _form(
    settings: KitSettings, homes: Mapping[str, str], *, next: str, badge: str = "", who: Principal | None = None, problem: Problem | None = None
) -> Response:
    told = {"next": _local(next), "badge": badge, "who": who, "home": homes.get(who.role) if who else None, "problem": problem}
    response = render(_environment, "sign_in.html", problem.status if problem else 200, has_issuer=settings.issuer_url is not None, **told)
    if problem:
        response.headers.update(problem.headers)
    return with_forms(response)


async def _signed_in(request: Request) -> Principal | None:
    signin: SignIn = request.app.state.signin
    try:
        return await signin.principal(request, by_cookie=True)
    except Problem:
        return None


async def _token(settings: KitSettings, request: Request, asked: _Badge, transport: httpx.AsyncBaseTransport | None) -> Mapping[str, Any]:
    """What the issuer grants. Raises Problem: what it refuses, in its words, and 503 where it does not answer or there is none."""
    if settings.issuer_url is None:
        raise Problem(503, detail="Nobody checks badges here: open the page by way of your provider's sign-in.")
    body, headers = {"grant_type": "badge", "badge": asked.badge, "pin": asked.pin}, {"x-forwarded-for": address_of(request)}
    try:
        async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False, transport=transport) as client:
            answered = await client.post(f"{settings.issuer_url}/oauth/token", json=body, headers=headers)
            told = answered.json()
    except (httpx.HTTPError, ValueError):
        raise Problem(503, detail=_AWAY, headers={"retry-after": "5"}) from None
    if answered.status_code == 200:
        return dict(told)
    if answered.status_code not in (401, 422, 429):
        raise Problem(503, detail=_AWAY, headers={"retry-after": "5"})
    passed_on = {name: answered.headers[name] for name in ("retry-after", "www-authenticate") if name in answered.headers}
    raise Problem(answered.status_code, "not-signed-in", str(told.get("detail", "")), headers=passed_on)
