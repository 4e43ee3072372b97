"""How the pages are drawn: their templates and their style, times in the site's zone, refusals in a band with what to do instead."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar, cast
from zoneinfo import ZoneInfo

from fastapi import FastAPI
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from services.kit.durations import two_units
from services.kit.http import Problem
from services.kit.http.pages import CachedFiles, error_pages, render, static_address, templates, with_forms
from services.kit.http.problems import problem_of
from services.kit.ids import uuid7
from services.kit.values import Refusal, short_reference

T = TypeVar("T")

REFUSED = (Refusal, Problem)
"""What a page shows in its band; all else is an error page."""

HOMES = {"picker": "/floor", "loader": "/dock", "driver": "/stops"}
"""Where each role works."""

_HERE = Path(__file__).parent
_STATIC = _HERE / "static"
_PREFIX = "/work-static"

_WORDS = {
    "wrong-item": "WRONG ITEM",
    "wrong-bin": "WRONG SHELF",
    "unknown-code": "UNKNOWN CODE",
    "too-many": "TOO MANY",
    "stale-claim": "NO LONGER YOURS",
    "weight-off": "CHECK IT",
    "wrong-trailer": "OTHER TRAILER",
    "not-for-this-stop": "NOT FOR HERE",
    "order-held": "HELD",
    "done-by-another": "DONE ALREADY",
    "load-list-not-open": "CLOSED",
    "not-found": "NOT FOUND",
}
_NOT_FOUND = "Nothing of ours here has this code: scan the label on the parcel, or look whether it is from another site."


def install(app: FastAPI) -> None:
    """Serve the style; errors have a way to sign in."""
    app.mount(_PREFIX, CachedFiles(directory=_STATIC), name="work-static")
    error_pages(app, _environment)


def draw(name: str, problem: Problem | None = None, **told: object) -> Response:
    """The page, with the problem in its band and as its status. Each `new_id()` in the template is an operation that was not done yet."""
    style = static_address("work.css", _STATIC, _PREFIX)
    response = render(_environment, f"{name}.html", problem.status if problem else 200, problem=problem, style=style, new_id=uuid7, **told)
    return with_forms(response)


def go(address: str) -> Response:
    """To the page as it is now, which may be loaded again without doing anything twice."""
    return RedirectResponse(address, 303, {"cache-control": "no-store"})


def step_of(steps: Mapping[str, T], name: str) -> T:
    """The step that a form names. Raises Problem (422) where the page knows none of that name."""
    if name not in steps:
        raise Problem(422, "unknown-step", "The form does not say what to do: open the page again, and press a button of it.")
    return steps[name]


def refusal(error: Exception, not_found: str = _NOT_FOUND) -> Problem:
    """What the band says; fields that do not fit are named, and a code that names nothing is told in the words of who scans."""
    problem = problem_of(error)
    if problem.slug == "not-found":
        return Problem(problem.status, problem.slug, not_found)
    for each in cast("Sequence[Mapping[str, str]]", problem.extra.get("errors", ())):
        problem.detail += f" {each['pointer'].strip('/').replace('_', ' ').capitalize()}: {each['detail']}"
    return problem


def _local(at: datetime, zone: ZoneInfo) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), f"{at.astimezone(zone):%a %H:%M %Z}")


def _spare(seconds: int) -> str:
    duration = _minutes(timedelta(seconds=abs(seconds)))
    return f"{duration} to spare" if seconds >= 0 else f"{duration} too late"


def _until(at: datetime, now: datetime) -> str:
    return _minutes(at - now) if at > now else "past"


def _minutes(duration: timedelta) -> str:
    """Without the seconds, from one minute on."""
    minute = timedelta(minutes=1)
    return two_units(duration - duration % minute if duration > minute else duration)


def _refused_word(slug: str) -> str:
    return _WORDS.get(slug, "NOT DONE")


_environment = templates(_HERE / "templates")
_environment.filters.update(local=_local, spare=_spare, until=_until, refused_word=_refused_word, reference=short_reference)
