"""Takes a department's reports to the ledger, in the order they were made, and forgets each once it was answered."""

from typing import TYPE_CHECKING

import msgspec
import structlog

from services.kit.calling import call
from services.kit.database import Database
from services.kit.settings import KitSettings
from services.kit.stage import Errand

if TYPE_CHECKING:
    import httpx

log = structlog.get_logger(__name__)

_AT_ONCE = 100
_TAKE = "select report_id, body from promise_reports order by number limit $1"
_DROP = "delete from promise_reports where report_id = any ($1::uuid[])"


class _Problem(msgspec.Struct):
    type: str | None = None


class _Answer(msgspec.Struct):
    status: int
    answer: _Problem


class _Answers(msgspec.Struct):
    answers: list[_Answer]


def reporting(service: str, settings: KitSettings, transport: "httpx.AsyncBaseTransport | None" = None) -> Errand:
    """The errand of a service whose departments have duties."""

    async def run(database: Database) -> int:
        rows = await database.pool.fetch(_TAKE, _AT_ONCE)
        if not rows:
            return 0
        body = {"reports": [msgspec.json.decode(row["body"]) | {"report_id": row["report_id"]} for row in rows]}
        answered = await call(settings, service, "POST", f"{settings.promises_url}/v1/promises:report", body, transport)
        if answered.status_code != 200:
            raise ConnectionError(f"the ledger answered {answered.status_code}")
        answers = msgspec.json.decode(answered.content, type=_Answers).answers
        settled = [(row["report_id"], answer) for row, answer in zip(rows, answers, strict=True) if answer.status < 500]
        for report_id, answer in settled:
            if answer.status >= 400:
                log.warning("the ledger does not take a report", report_id=str(report_id), status=answer.status, reason=answer.answer.type)
        await database.pool.execute(_DROP, [report_id for report_id, _ in settled])
        if not settled:
            raise ConnectionError("the ledger took no report")
        return len(settled)

    return Errand("promise-reports", run)
