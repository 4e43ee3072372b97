"""A token in a browser's cookie, for pages alone: where it is kept, and that no other site presses our buttons with it.

Scripts cannot read it (HttpOnly), no other site's link or form carries it (SameSite=Strict), and it ends with the token.
"""

from fastapi import Request
from starlette.responses import Response

from services.kit.http.problems import Problem

COOKIE = "kept_sign_in"
_SAFE_METHODS = frozenset({"GET", "HEAD"})


def cookie_of(request: Request) -> str:
    """The token that the browser keeps, "" where there is none. Raises Problem (403) where another site changes something with it."""
    token = request.cookies.get(COOKIE, "")
    if token and request.method not in _SAFE_METHODS:
        refuse_other_sites(request)
    return token


def refuse_other_sites(request: Request) -> None:
    """Raises Problem (403) unless a page of this very host sent the request, as the browser itself says it.

    Browsers name the site (Sec-Fetch-Site) to hosts that they trust, by HTTPS or on the same machine; elsewhere the page's origin has to be ours.
    """
    site, host = request.headers.get("sec-fetch-site"), request.headers.get("host", "")
    ours = request.headers.get("origin") in (f"http://{host}", f"https://{host}") if site is None else site == "same-origin"
    if not ours:
        raise Problem(403, "other-site", "This was not sent by a page of ours: open the page here, and press the button there.")


def keep(response: Response, request: Request, token: str, seconds: int) -> None:
    """Let the browser keep the token for so long."""
    response.set_cookie(COOKIE, token, max_age=seconds, path="/", httponly=True, samesite="strict", secure=_is_https(request))


def forget(response: Response, request: Request) -> None:
    """Let the browser throw the token away."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=_is_https(request))


def _is_https(request: Request) -> bool:
    """Also where a proxy of ours ends HTTPS: the page that holds the form then has an origin by HTTPS."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")
