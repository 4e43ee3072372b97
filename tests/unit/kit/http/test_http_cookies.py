"""A browser's cookie signs in to pages alone, and only a page of the same host changes anything with it."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import HTMLResponse, Response

from services.kit.http import Caller, Routes, create_app, operation, page
from services.kit.http.cookies import COOKIE
from services.kit.http.signing_in import lead_to_sign_in, sign_in_pages
from services.kit.settings import KitSettings

Bearer = Callable[..., dict[str, str]]
HERE = "https://toy.example"


def _routes() -> Routes:
    router = Routes()

    @router.get("/work", **page(access={"care": "all"}))
    async def get_work(caller: Caller) -> Response:
        return HTMLResponse(caller.subject)

    @router.post("/work", **page(access={"care": "all"}))
    async def post_work(caller: Caller) -> Response:
        return HTMLResponse(caller.subject)

    @router.get("/v1/work", **operation(access={"care": "all"}))
    async def get_data(caller: Caller) -> Response:
        return HTMLResponse(caller.subject)

    return router


class Issuer:
    """Whoever checks badges, as one answers who was told what to answer. `asked` is what it was asked."""

    def __init__(self) -> None:
        self.answer = httpx.Response(401, json={"detail": "The two do not fit together: try again."}, headers={"www-authenticate": "Bearer"})
        self.asked: list[httpx.Request] = []
        self.is_away = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self.is_away:
            raise httpx.ConnectError("refused")
        return self.answer


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def settings(settings: KitSettings) -> KitSettings:
    return settings.model_copy(update={"issuer_url": "http://issuer"})


@pytest.fixture
def app(settings: KitSettings, issuer: Issuer, bearer: Bearer) -> FastAPI:
    bearer()
    pages = [_routes(), sign_in_pages(settings, {"care": "/work"}, httpx.MockTransport(issuer))]
    made = create_app("toy", [], settings, pages=pages)
    lead_to_sign_in(made)
    return made


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
        yield client


def _cookie(bearer: Bearer, role: str = "care") -> dict[str, str]:
    return {"cookie": f"{COOKIE}={bearer(role)['authorization'].removeprefix('Bearer ')}"}


async def test_a_page_takes_the_cookie_and_data_never_does(client: httpx.AsyncClient, bearer: Bearer) -> None:
    assert (await client.get("/work", headers=_cookie(bearer))).text == "s-1"
    assert (await client.get("/v1/work", headers=_cookie(bearer))).status_code == 401
    assert (await client.get("/v1/work", headers=bearer())).status_code == 200


async def test_a_header_goes_before_the_cookie_even_a_wrong_one(client: httpx.AsyncClient, bearer: Bearer) -> None:
    for wrong in ("Bearer nonsense", "Basic YTpi"):
        answered = await client.get("/work", headers=_cookie(bearer) | {"authorization": wrong})
        assert (answered.status_code, answered.headers["location"]) == (303, "/sign-in?next=/work")


OURS = (
    {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "same-origin", "origin": "https://elsewhere.example"},
    {"origin": HERE},
    {"origin": "http://toy.example"},
)
OTHERS = (
    {},
    {"origin": "null"},
    {"origin": "https://toy.example:8443"},
    {"origin": "https://toy.example.evil.example"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "origin": HERE},
    {"sec-fetch-site": "none", "origin": HERE},
    {"sec-fetch-site": ""},
)


@pytest.mark.parametrize("sent", OURS)
async def test_a_page_of_ours_may_press_a_button(client: httpx.AsyncClient, bearer: Bearer, sent: dict[str, str]) -> None:
    assert (await client.post("/work", headers=_cookie(bearer) | sent)).text == "s-1"


@pytest.mark.parametrize("sent", OTHERS)
async def test_no_other_site_presses_our_buttons(client: httpx.AsyncClient, bearer: Bearer, sent: dict[str, str]) -> None:
    for address in ("/work", "/sign-in", "/sign-out"):
        headers = _cookie(bearer) | sent | {"content-type": "application/x-www-form-urlencoded"}
        answered = await client.post(address, headers=headers, content=b"badge=a&pin=1")
        assert (answered.status_code, "not sent by a page of ours" in answered.text) == (403, True), address
    assert (await client.post("/work", headers=bearer() | sent)).status_code == 200, "a header is not sent by another site's form"


@pytest.mark.parametrize(
    ("method", "asked", "led_to"),
    [
        ("GET", "/work", "/sign-in?next=/work"),
        ("GET", "/work?site=A&at=b%20c", "/sign-in?next=/work%3Fsite%3DA%26at%3Db%2520c"),
        ("POST", "/work?site=A", "/sign-in?next=/work"),
    ],
)
async def test_who_is_not_signed_in_is_led_to_the_form(client: httpx.AsyncClient, method: str, asked: str, led_to: str) -> None:
    answered = await client.request(method, asked)
    assert (answered.status_code, answered.headers["location"]) == (303, led_to)
    assert (await client.request(method, asked, headers={"cookie": f"{COOKIE}=worn.out.token", "origin": HERE})).status_code == 303


async def _sign_in(client: httpx.AsyncClient, origin: str = HERE, **fields: str) -> httpx.Response:
    return await client.post("/sign-in", data={"badge": "c-1", "pin": "123456", **fields}, headers={"origin": origin})


def _granted(token: str, role: str = "care") -> httpx.Response:
    return httpx.Response(200, json={"access_token": token, "expires_in": 600, "role": role})


async def test_a_right_pin_opens_the_page_that_was_asked_for_and_signing_out_closes_it(
    client: httpx.AsyncClient, issuer: Issuer, bearer: Bearer
) -> None:
    issuer.answer = _granted(bearer()["authorization"].removeprefix("Bearer "))
    answered = await _sign_in(client, next="/work?site=A")
    assert (answered.status_code, answered.headers["location"]) == (303, "/work?site=A")
    kept = answered.headers["set-cookie"].lower()
    assert all(each in kept for each in ("httponly", "samesite=strict", "max-age=600", "path=/", "secure"))
    assert (await client.get("/work")).text == "s-1"
    assert "You are signed in" in (await client.get("/sign-in")).text
    assert (await client.post("/sign-out", headers={"origin": HERE})).status_code == 303
    assert (await client.get("/work")).status_code == 303


async def test_by_plain_http_the_cookie_is_kept_as_well_and_behind_a_proxy_of_https_only_by_https(
    app: FastAPI, issuer: Issuer, bearer: Bearer
) -> None:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://toy.example") as plain:
        issuer.answer = _granted(bearer()["authorization"].removeprefix("Bearer "))
        assert "secure" not in (await _sign_in(plain, "http://toy.example")).headers["set-cookie"].lower()
        assert "secure" in (await _sign_in(plain, "https://toy.example")).headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "next", ["https://evil.example/", "//evil.example", "/\\evil.example", "work", "/work\n", "javascript:alert(1)", "/" + "x" * 600]
)
async def test_nobody_is_led_elsewhere(client: httpx.AsyncClient, issuer: Issuer, bearer: Bearer, next: str) -> None:
    issuer.answer = _granted(bearer()["authorization"].removeprefix("Bearer "))
    answered = await _sign_in(client, next=next)
    assert answered.status_code in (303, 422)
    assert answered.headers.get("location", "/work") == "/work"
    shown = await client.get("/sign-in", params={"next": next})
    assert "evil" not in shown.text and "alert" not in shown.text


async def test_a_wrong_pin_is_told_in_the_issuers_words_and_the_pin_is_not_shown(client: httpx.AsyncClient, issuer: Issuer) -> None:
    answered = await _sign_in(client, next="/work")
    assert (answered.status_code, "set-cookie" in answered.headers) == (401, False)
    assert "The two do not fit together: try again." in answered.text
    assert ('value="c-1"' in answered.text, 'value="/work"' in answered.text, "123456" in answered.text) == (True, True, False)
    (asked,) = issuer.asked
    assert (asked.url.path, asked.headers["x-forwarded-for"]) == ("/oauth/token", "127.0.0.1")


async def test_a_form_of_ours_is_told_to_name_its_origin(client: httpx.AsyncClient) -> None:
    assert (await client.get("/sign-in")).headers["referrer-policy"] == "same-origin", "with no-referrer a browser says that its origin is null"


async def test_too_many_tries_say_how_long_to_wait(client: httpx.AsyncClient, issuer: Issuer) -> None:
    issuer.answer = httpx.Response(429, json={"detail": "Too many tries for this badge."}, headers={"retry-after": "800"})
    answered = await _sign_in(client)
    assert (answered.status_code, answered.headers["retry-after"]) == (429, "800")
    assert "Too many tries for this badge." in answered.text


async def test_while_the_issuer_does_not_answer_the_page_says_so(client: httpx.AsyncClient, issuer: Issuer) -> None:
    for answer in (httpx.Response(500, json={}), httpx.Response(200, text="<p>A proxy</p>"), None):
        issuer.is_away = answer is None
        issuer.answer = answer or issuer.answer
        answered = await _sign_in(client)
        assert (answered.status_code, "does not answer" in answered.text) == (503, True)


async def test_fields_that_do_not_fit_are_refused_before_anybody_is_asked(client: httpx.AsyncClient, issuer: Issuer) -> None:
    for fields in ({"badge": ""}, {"badge": "x" * 300}, {"pin": "1" * 200}, {"more": "1"}, {"badge": "a\u202eb"}):
        assert (await _sign_in(client, **fields)).status_code == 422
    assert not issuer.asked


async def test_without_an_issuer_the_page_says_that_a_proxy_signs_in(settings: KitSettings) -> None:
    app = create_app("toy", [], settings, pages=[sign_in_pages(settings.model_copy(update={"issuer_url": None}), {})])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE) as client:
        shown = await client.get("/sign-in")
        assert (shown.status_code, "Badges are not checked here" in shown.text, "<input" in shown.text) == (200, True, False)
        assert (await _sign_in(client)).status_code == 503


async def test_who_has_no_work_here_is_told_so(client: httpx.AsyncClient, bearer: Bearer) -> None:
    shown = await client.get("/sign-in", headers=_cookie(bearer, "planner"))
    assert "Nothing here is for your role" in shown.text
    assert (await client.get("/work", headers=_cookie(bearer, "planner"))).status_code == 403
