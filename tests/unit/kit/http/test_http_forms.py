"""A form is read once and strictly, and fits the models that JSON bodies fit."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import httpx
import pytest
from pydantic import Field
from starlette.responses import Response

from services.kit.http import Instant, Problem, Quantity, Routes, Strict, answer, create_app, page
from services.kit.http.forms import Fields, fit
from services.kit.settings import KitSettings


class Scan(Strict):
    scan_id: UUID
    code: Annotated[str, Field(min_length=1, max_length=8)]
    quantity: Quantity = 1
    confirmed: bool = False
    at: Instant | None = None


GIVEN = {"scan_id": "019ab2c4-7d10-7c3e-9a51-0f6d2b7c1a01", "code": "A 1"}


def test_texts_become_what_the_model_says() -> None:
    read = fit(Scan, GIVEN | {"quantity": " 3 ", "confirmed": "true", "at": "2026-11-22T08:00:00+01:00"})
    assert (read.scan_id, read.quantity, read.confirmed, read.at) == (UUID(GIVEN["scan_id"]), 3, True, datetime(2026, 11, 22, 7, tzinfo=UTC))


def test_a_field_left_empty_is_not_there() -> None:
    assert fit(Scan, GIVEN | {"quantity": "", "at": " "}).quantity == 1


WRONG: tuple[dict[str, str], ...] = (
    {"scan_id": "x"}, {"code": ""}, {"code": "x" * 9}, {"quantity": "0"}, {"quantity": "1.5"}, {"quantity": "1e3"}, {"more": "1"},
    {"at": "2026-11-22"}, {"confirmed": "perhaps"}, {"code": "a\u200bb"}, {"code": "a\x00b"}, {"quantity": "9" * 5_000},
)  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_fit_is_named_and_not_shown(wrong: dict[str, str]) -> None:
    with pytest.raises(Problem) as raised:
        fit(Scan, GIVEN | wrong)
    assert raised.value.status == 422
    assert raised.value.extra["errors"]
    assert not [text for text in wrong.values() if len(text) > 5 and text in str(raised.value.extra)]


@pytest.mark.parametrize(
    ("content", "media", "status"),
    [
        (b"a=1&b=%C3%A4", "application/x-www-form-urlencoded", 200),
        (b"", "application/x-www-form-urlencoded;charset=utf-8", 200),
        (b"a=1", "application/json", 415),
        (b"a=1", "text/plain", 415),
        (b"--x", "multipart/form-data; boundary=x", 415),
        (b"a=1&a=2", "application/x-www-form-urlencoded", 400),
        (b"a", "application/x-www-form-urlencoded", 400),
        (b"a=%ff", "application/x-www-form-urlencoded", 400),
        (b"\xff=1", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a%d=1" % each for each in range(60)), "application/x-www-form-urlencoded", 400),
    ],
)
async def test_only_a_form_is_read(settings: KitSettings, content: bytes, media: str, status: int) -> None:
    router = Routes()

    @router.post("/form", **page(access="public"))
    async def post_form(fields: Fields) -> Response:
        return answer(dict(fields))

    app = create_app("toy", [], settings, pages=[router])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://toy") as client:
        answered = await client.post("/form", content=content, headers={"content-type": media})
    assert answered.status_code == status
