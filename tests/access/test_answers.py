"""Every operation, asked by every role for its own thing, for someone else's and for one that is not there, answers as `matrix.toml` says."""

from collections.abc import Mapping
from itertools import count
from pathlib import Path

import httpx
import pytest

from tests.access.asking import SITE, Ask, Asking, Example, class_of, words
from tests.access.matrix import SERVICES, WHOSE, Cell, rows
from tests.access.worlds import OPENS
from tests.support.databases import Templates

_AT_A_SITE = ("picker", "loader", "driver")
_numbers = count()


class _Round:
    """Goes through a service's matrix and keeps what was wrong. `asked` counts the cases."""

    def __init__(self, asking: Asking, examples: Mapping[str, Example], customer: str) -> None:
        self._asking, self._examples, self._customer = asking, examples, customer
        self.wrong, self.asked = list[str](), 0

    async def go(self, service: str) -> None:
        for operation, row in rows(service).items():
            any_of_them = {whose: await self._example(operation, whose, "nobody") for whose in WHOSE}
            for role, cell in row.items():
                await self._cell(operation, role, cell, any_of_them)

    async def _example(self, operation: str, whose: str, who: str) -> Ask:
        return Ask("/openapi.json") if operation == "GET /openapi.json" else await self._examples[operation](whose, who)

    async def _cell(self, operation: str, role: str, cell: Cell, any_of_them: Mapping[str, Ask]) -> None:
        answers = dict[str, httpx.Response]()
        for whose in WHOSE:
            who = self._customer if role == "customer" else f"{role}-{next(_numbers)}"
            ask = any_of_them[whose] if cell.is_refused else await self._example(operation, whose, who)
            site = SITE["mine"] if role in _AT_A_SITE else None
            answers[whose] = answered = await self._asking.send(operation, ask, role, who, unread=cell.is_refused, site=site)
            expected = getattr(cell, whose)
            self._check(operation, role, whose, class_of(answered, ask) == expected, f"{expected}, and was {answered.status_code} {answered.text}")
            self._check(operation, role, whose, _is_told_well(answered), f"a problem, and was {answered.headers} {answered.text}")
        if cell.theirs == cell.missing and cell.theirs not in ("2xx", "3xx"):
            same = words(answers["theirs"]) == words(answers["missing"])
            self._check(operation, role, "theirs", same, f"like a missing one, and was {answers['theirs'].text}, not {answers['missing'].text}")

    def _check(self, operation: str, role: str, whose: str, holds: bool, wanted: str) -> None:
        self.asked += 1
        if not holds:
            self.wrong.append(f"{operation} of {role} for {whose}: should be {wanted}"[:600])


def _is_told_well(answered: httpx.Response) -> bool:
    """A refusal is a problem, or a page; without a token it says how to sign in."""
    if answered.status_code < 400:
        return True
    form = answered.headers["content-type"].startswith(("application/problem+json", "text/html"))
    return form and (answered.status_code != 401 or "www-authenticate" in answered.headers)


@pytest.mark.parametrize("service", SERVICES)
async def test_every_answer_is_the_one_written_by_hand(service: str, templates: Templates, tmp_path: Path) -> None:
    with templates.clone((service,)) as url:
        async with OPENS[service](url, tmp_path) as (asking, examples, customer):
            assert set(examples) | {"GET /openapi.json"} == set(rows(service))
            each = _Round(asking, examples, customer)
            await each.go(service)
    assert not each.wrong, "\n".join(each.wrong)
    assert each.asked >= 2 * 3 * 11 * len(rows(service))
