"""Ids, traces, safety headers and pages."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import httpx
import jinja2
import pytest
from fastapi import FastAPI

from services.kit.http.pages import error_pages, render, static_address, templates

Bearer = Callable[..., dict[str, str]]
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_every_answer_has_an_id_of_ours(client: httpx.AsyncClient, bearer: Bearer) -> None:
    answers = [await client.get(path, headers=bearer() | {"x-request-id": "theirs"}) for path in ("/v1/things", "/nowhere", "/v1/broken", "/o/known")]
    ids = [UUID(each.headers["x-request-id"]) for each in answers]
    assert len(set(ids)) == 4
    assert {id.version for id in ids} == {7}


async def test_a_trace_is_continued_and_a_broken_one_is_not(client: httpx.AsyncClient, bearer: Bearer, thing: dict[str, object]) -> None:
    for given, kept in ((TRACE, True), ("00-zz-11-01", False), (TRACE.replace("00-", "ff-", 1), False)):
        response = await client.post("/v1/traced", headers=bearer("service") | {"traceparent": given})
        assert (response.json()["traceparent"].split("-")[1] == TRACE.split("-")[1]) is kept
        assert response.json()["id"] == response.headers["x-request-id"] == response.json()["correlation_id"]


async def test_every_page_and_answer_keeps_others_out(client: httpx.AsyncClient, bearer: Bearer) -> None:
    for path in ("/o/known", "/o/unknown", "/v1/things", "/nowhere", "/static/tokens.css"):
        headers = (await client.get(path, headers=bearer() | {"accept": "text/html, */*"})).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_a_person_reads_a_page_where_nothing_is(client: httpx.AsyncClient) -> None:
    missing = await client.get("/o/unknown", headers={"accept": "text/html"})
    assert (missing.status_code, missing.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is nothing here" in missing.text
    assert missing.headers["x-request-id"] in missing.text
    nowhere = await client.get("/nowhere", headers={"accept": "text/html"})
    assert (nowhere.status_code, nowhere.headers["content-type"]) == (404, "text/html; charset=utf-8")


async def test_a_program_reads_a_problem_where_nothing_is(client: httpx.AsyncClient, bearer: Bearer) -> None:
    for path, accept in (("/nowhere", "*/*"), ("/v1/broken", "*/*")):
        assert (await client.get(path, headers=bearer() | {"accept": accept})).headers["content-type"] == "application/problem+json"


async def test_a_static_file_is_kept_by_its_content(client: httpx.AsyncClient) -> None:
    named = await client.get(static_address("components.css"))
    assert "immutable" in named.headers["cache-control"]
    assert ".mock" not in named.text
    assert "immutable" not in (await client.get("/static/components.css")).headers["cache-control"]
    assert (await client.get("/static/%2e%2e/http/app.py")).status_code in (400, 404)


def test_a_page_escapes_what_it_is_told_and_wants_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "hello.html").write_text("<p>{{ name }}</p>")
    assert render(templates(tmp_path), "hello.html", name="<script>").body == b"<p>&lt;script&gt;</p>"
    with pytest.raises(jinja2.UndefinedError):
        render(templates(tmp_path), "hello.html")


async def test_a_service_says_on_its_error_page_how_to_reach_a_person(app: FastAPI, client: httpx.AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "error.html").write_text('{% extends "problem.html" %}{% block contact %}<p>Call {{ phone }}.</p>{% endblock %}')
    error_pages(app, templates(tmp_path), phone="0800 <1>")
    missing = await client.get("/o/unknown", headers={"accept": "text/html"})
    assert "There is nothing here" in missing.text
    assert "<p>Call 0800 &lt;1&gt;.</p>" in missing.text
