"""Every operation, sent what its schema allows and what it does not: no failure of ours, refusals repeat nothing, OpenAPI is true."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import ignored_auth

from services.kit.http.app import describe
from services.kit.http.routing import Guarded
from tests.access.asking import Ask, Asking
from tests.access.matrix import SERVICES, rows
from tests.access.worlds import OPENS
from tests.fuzz.bridge import Elsewhere
from tests.fuzz.cases import CANARY, cases, sent_texts
from tests.support.databases import Templates

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "200"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
# Rules over several fields, characters that nobody sees, and ids that are there cannot be said in a schema; nor how often one may guess a signature.
_ALLOWED_WHERE_IT_FITS = ["2xx", "400", "401", "403", "404", "409", "410", "412", "422", "428", "429"]
_ALLOWED_WHERE_NOT = ["400", "401", "403", "404", "405", "406", "409", "413", "414", "415", "422", "428", "429", "431"]
_CHECKS = {
    "positive_data_acceptance": {"expected-statuses": _ALLOWED_WHERE_IT_FITS},
    "negative_data_rejection": {"expected-statuses": _ALLOWED_WHERE_NOT},
}
_CONFIG = SchemathesisConfig.from_dict({"checks": _CHECKS})


class _Fuzzer:
    """Asks one service as whoever may."""

    def __init__(self, asking: Asking, loop: asyncio.AbstractEventLoop) -> None:
        self._asking, self._schema = asking, schemathesis.openapi.from_dict(describe(asking.app), config=_CONFIG)
        self._schema.app = Elsewhere(asking.app, loop)
        self.operations = {f"{each.ok().method.upper()} {each.ok().path}": each.ok() for each in self._schema.get_all_operations()}

    def fuzz(self, operation: str, role: str, who: str, good: Ask) -> None:
        """Raises what the first case that fails says."""
        headers = dict(good.headers)
        if role != "none":
            headers["Authorization"] = f"Bearer {self._asking.token(role, who)}"

        asked_without_token = set[Any]()  # one success that was also tried without a token, and with a wrong one, speaks for the operation

        @seed(SEED)
        @settings(
            max_examples=EXAMPLES, database=None, deadline=None, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck)
        )
        @given(case=cases(self.operations[operation], good, headers))
        def one(case: schemathesis.Case) -> None:
            answered = case.call_and_validate(headers=headers, excluded_checks=list(asked_without_token))
            if answered.status_code < 400:
                asked_without_token.add(ignored_auth)
            if answered.status_code >= 400:
                assert answered.headers["content-type"][0] == "application/problem+json"
                assert CANARY not in answered.text, answered.text
                assert not [text for text in sent_texts(case) if text in answered.text], answered.text

        one()


_PARTS = {"fulfilment": 3, "promises": 2}
"""How many runs the operations of a service are dealt out to, where one alone would take the longest of all tests."""

_RUNS = [pytest.param(service, part, id=f"{service}-{part}") for service in SERVICES for part in range(_PARTS.get(service, 1))]


@pytest.mark.parametrize(("service", "part"), _RUNS)
async def test_every_operation_keeps_its_word(service: str, part: int, templates: Templates, tmp_path: Path) -> None:
    failed: dict[str, BaseException] = {}
    with templates.clone((service,)) as url:
        async with OPENS[service](url, tmp_path) as (asking, examples, customer):
            fuzzer = _Fuzzer(asking, asyncio.get_running_loop())
            assert fuzzer.operations.keys() == examples.keys() - _pages(asking.app)
            for number, operation in list(enumerate(fuzzer.operations))[part :: _PARTS.get(service, 1)]:
                role = next(role for role, cell in rows(service)[operation].items() if cell.mine == "2xx")
                who = customer if role == "customer" else f"s-{number}"
                good = await examples[operation]("mine", who)
                try:
                    await asyncio.to_thread(fuzzer.fuzz, operation, role, who, good)
                except BaseException as error:  # noqa: BLE001  # groups of failures among them; all are told at the end
                    failed[operation] = error
    assert not failed, "\n\n".join(f"{operation}: {str(error)[:1500]}" for operation, error in failed.items())


def _pages(app: FastAPI) -> set[str]:
    """The operations that answer with a page: they take nothing but their address, and do not stand in OpenAPI."""
    routes = [(str(each.path), each.original_route) for each in iter_route_contexts(app.routes)]
    return {f"{method} {path}" for path, route in routes if isinstance(route, Guarded) and route.produces == "text/html" for method in route.methods}
